-- Extends a lease: KEYS[1] the key or its refresh key, ARGV[1] the holder's token, ARGV[2] ms.
-- Without the comparison it would keep a dead stranger's lease alive, or change a value's life.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
