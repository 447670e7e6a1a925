-- Stores the value that the holder of the lease loaded.
-- KEYS[1] the key; ARGV[1] the holder's token, ARGV[2] the value, ARGV[3] its life in ms, 0 for none.
-- An invalidation since the lease was taken has removed the token: then nothing is stored. Time
-- stands still inside a script, so the token cannot expire between the two commands.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
local life = tonumber(ARGV[3])
if life == 0 then
    redis.call('SET', KEYS[1], ARGV[2])
elseif life % 1000 == 0 then
    redis.call('SETEX', KEYS[1], life / 1000, ARGV[2])
else
    redis.call('PSETEX', KEYS[1], life, ARGV[2])
end
return 1
