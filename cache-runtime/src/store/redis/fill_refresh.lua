-- Stores what a refresh loaded, in the place of the old value.
-- KEYS[1] the key, KEYS[2] its refresh key; ARGV[1] the refresher's token, ARGV[2] the value,
-- ARGV[3] its life in ms, 0 for none, ARGV[4] the length of a token.
-- Both must hold: the refresh token is still there, since an invalidation or a lease since then has
-- removed it; and the key holds a value, since under a lease or nothing the old value is gone and
-- whoever loads now reads a newer source.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
    return 0
end
local stored = redis.call('GET', KEYS[1])
local is_token = stored and #stored == tonumber(ARGV[4]) and string.find(stored, '^null[ \t\n\r]+$')
if not stored or is_token then
    redis.call('DEL', KEYS[2])
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
redis.call('DEL', KEYS[2])
return 1
