-- The host ends seats: those of a user, everywhere or in one room, or a chunk of those of a room.
-- A node repeats what an engine may have lost. Then only seats end that are not newer than that end.
-- ARGV: boot, nid, number, reason, version or 0, 'user', user, room or ''
-- ARGV: boot, nid, number, reason, version or 0, 'room', room
local number = tonumber(ARGV[3])
local stop = standing_of(number)
if stop then return stop end

local reason, before = tonumber(ARGV[4]), tonumber(ARGV[5])
local repeats = before > 0
-- Seats may be missing, so nobody knows how many ended. Those that come back ask what was ended.
if not repeats and recovery_left(now()) > 0 then return refuse(number, RECOVERING) end
-- So many fit into a call that others barely notice.
local CHUNK = 50
local seats, more = {}, false

local function add(seat, bytes)
    if repeats and parse_record(bytes) > before then return end
    if #seats == CHUNK then
        more = true
    else
        seats[#seats + 1] = seat
    end
end

local key, where
if ARGV[6] == 'user' then
    key, where = ended_of_user(ARGV[7]), ARGV[8]
    for _, seat in ipairs(seats_of(ARGV[7])) do
        if where == '' or seat.room == where then
            add(seat, call('HGET', P .. 'r:' .. seat.room, seat.session))
        end
    end
else
    local room = ARGV[7]
    key, where = ended_of_room(room), ''
    local members = P .. 'r:' .. room
    local flat = repeats and call('HGETALL', members)
        or call('HRANDFIELD', members, CHUNK + 1, 'WITHVALUES')
    for i = 1, #flat, 2 do
        local _, of, _, _, user = parse_record(flat[i + 1])
        add({ session = flat[i], user = user, nid = of, room = room }, flat[i + 1])
    end
end

-- That version may be ahead of the engine's clock, and no newer seat may get it.
engine[2] = decimal(math.max(tonumber(engine[2]) or 0, before))
local version, body = end_seats(seats, reason)
note_end(key, where, repeats and before or version, reason)
if more then body = body .. field(3, '') end
return answer(number, LEFT, version, body)
