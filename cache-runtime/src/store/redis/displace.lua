-- Puts a lease in the place of a value that cannot be used.
-- KEYS[1] the key; ARGV[1] the unusable bytes, ARGV[2] the token, ARGV[3] its life in ms.
-- Only what was seen is replaced: two programs that cannot read each other's values would
-- otherwise take each other's leases for ever.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('PSETEX', KEYS[1], ARGV[3], ARGV[2])
return 1
