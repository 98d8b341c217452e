-- The host ends seats: those of a user, everywhere or in one room, or a chunk of those of a room.
-- ARGV: boot, nid, number, reason, 'user', user, room or ''
-- ARGV: boot, nid, number, reason, 'room', room
local number = tonumber(ARGV[3])
local stop = standing_of(number)
if stop then return stop end

-- Seats may be missing, and come back after this.
if recovery_left(now()) > 0 then return refuse(number, RECOVERING) end
-- So many fit into a call that others barely notice.
local CHUNK = 50
local seats, more = {}, false
if ARGV[5] == 'user' then
    for _, seat in ipairs(seats_of(ARGV[6])) do
        if ARGV[7] == '' or seat.room == ARGV[7] then seats[#seats + 1] = seat end
    end
else
    local room = ARGV[6]
    local flat = call('HRANDFIELD', P .. 'r:' .. room, CHUNK, 'WITHVALUES')
    for i = 1, #flat, 2 do
        local _, of, _, _, user = parse_record(flat[i + 1])
        seats[#seats + 1] = { session = flat[i], user = user, nid = of, room = room }
    end
    more = call('HLEN', P .. 'r:' .. room) > #seats
end

local version, body = end_seats(seats, tonumber(ARGV[4]))
if more then body = body .. field(3, '') end
return answer(number, LEFT, version, body)
