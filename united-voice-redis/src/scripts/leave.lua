-- One seat of the calling process ends. A late leave names its session, so it cannot touch a newer one.
-- ARGV: boot, nid, number, session, user, reason
local number = tonumber(ARGV[3])
local stop = standing_of(number)
if stop then return stop end

local session, user = ARGV[4], ARGV[5]
local there = call('HGET', P .. 'u:' .. user, session)
if not is_own(there) then return refuse(number, STALE) end

local seat = { session = session, user = user, nid = there:sub(1, 17), room = there:sub(18) }
local version, body = end_seats({ seat }, tonumber(ARGV[6]))
return answer(number, LEFT, version, body)
