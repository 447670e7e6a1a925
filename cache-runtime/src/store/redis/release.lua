-- Gives a lease back: KEYS[1] the key or its refresh key, ARGV[1] the holder's token.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
return redis.call('DEL', KEYS[1])
