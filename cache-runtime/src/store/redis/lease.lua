-- Takes a lease or tells what stands in its place, for servers before Redis 7.0, whose SET has no
-- NX together with GET. KEYS[1] the key; ARGV[1] the token, ARGV[2] its life in ms.
local stored = redis.call('GET', KEYS[1])
if stored then
    return stored
end
redis.call('PSETEX', KEYS[1], ARGV[2], ARGV[1])
return false
