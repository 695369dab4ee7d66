-- Sets what is set for the flows, if these settings follow those that are there.
--
-- KEYS: the settings. ARGV: the version before; this one; the settings; the channel of hints, or nothing.

if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'settings', ARGV[3])
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[4], '') end
return 1
