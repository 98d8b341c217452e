-- One seat of the calling node ends. A late leave names its session, so it cannot touch a newer one.
-- ARGV: boot, nid, number, session, user, reason
local number = tonumber(ARGV[3])
local stop = standing_of(number)
if stop then return stop end

local session, user = ARGV[4], ARGV[5]
local there = call('HGET', P .. 'u:' .. user, session)
if not there or there:sub(1, 17) ~= nid then return refuse(number, STALE) end

local seat = { session = session, user = user, nid = nid, room = there:sub(18) }
local version, body = end_seats({ seat }, tonumber(ARGV[6]))
return answer(number, LEFT, version, body)
