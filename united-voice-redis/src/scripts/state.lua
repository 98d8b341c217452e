-- A member mutes or deafens itself.
-- ARGV: boot, nid, number, session, user, flags
local number = tonumber(ARGV[3])
local stop = standing_of(number)
if stop then return stop end

local session, user = ARGV[4], ARGV[5]
local there = call('HGET', P .. 'u:' .. user, session)
if not is_own(there) then return refuse(number, STALE) end

local room = there:sub(18)
local bytes = call('HGET', P .. 'r:' .. room, session)
local nodes = call('HKEYS', P .. 'rn:' .. room)
local _, _, before = parse_record(bytes)
-- The two lowest bits are the member's own. The others are the server's and stay.
local flags = bit.bor(bit.band(before, 0xfffc), bit.band(tonumber(ARGV[6]), 3))

local version = next_version()
call('HSET', P .. 'r:' .. room, session, bytes:sub(1, 25) .. pack('>I2', flags) .. bytes:sub(28))
local body = field(1, room) .. field(2, pack('>c8I2', session, flags))
for _, to in ipairs(nodes) do
    if to ~= nid then tell(to, STATE, version, body) end
end
return answer(number, STATE, version, body)
