-- A user takes a seat, and gives up the old one in the same step.
-- ARGV: boot, nid, number, session, user, room, limit (0: none), policy epoch, profile
local number = tonumber(ARGV[3])
local stop = standing_of(number)
if stop then return stop end

local session, user, room = ARGV[4], ARGV[5], ARGV[6]
local limit, epoch, profile = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]

if recovery_left(now()) > 0 then return refuse(number, RECOVERING) end
if epoch < tonumber(engine[3]) then
    return refuse(number, POLICY, field(2, pack('>I8', tonumber(engine[3]))))
end
-- The engine lost this epoch. It must not stay behind: the node would go on asking under this one.
if epoch > tonumber(engine[3]) then call('SET', P .. 'policy', decimal(epoch)) end
-- The room is asked too: somebody else there may have this session id.
local old = seats_of(user)
local taken, has_seat_here = call('HEXISTS', P .. 'r:' .. room, session) == 1, false
for _, seat in ipairs(old) do
    taken = taken or seat.session == session
    has_seat_here = has_seat_here or seat.room == room
end
if taken then return refuse(number, STALE) end
-- Whoever is in a full room may join it again.
if limit > 0 and not has_seat_here and call('HLEN', P .. 'r:' .. room) >= limit then
    return refuse(number, FULL)
end

local told, is_new_here = lists(), true
for _, to in ipairs(call('HKEYS', P .. 'rn:' .. room)) do
    if to == nid then is_new_here = false else note(told, to, '') end
end
for _, seat in ipairs(old) do
    if seat.room ~= room then
        for _, to in ipairs(call('HKEYS', P .. 'rn:' .. seat.room)) do
            if to ~= nid then note(told, to, '') end
        end
    end
end
local roster = is_new_here and call('HGETALL', P .. 'r:' .. room) or {}

-- All has been read. What follows cannot fail.
local version = next_version()
local seat = { session = session, user = user, nid = nid, room = room }
local bytes = record(version, nid, 0, limit, user, profile)
local parts = { field(1, room), field(2, session .. bytes) }
local is_old = {}
for _, gone in ipairs(old) do
    take_out(gone)
    is_old[gone.session] = true
    parts[#parts + 1] = field(3, gone.session .. gone.room)
end
put_in(seat, bytes)
local body = table.concat(parts)
for _, to in ipairs(told.order) do tell(to, JOINED, version, body) end

if is_new_here then
    parts = { body, field(5, '') }
    for i = 1, #roster, 2 do
        if not is_old[roster[i]] then parts[#parts + 1] = field(4, roster[i] .. roster[i + 1]) end
    end
    body = table.concat(parts)
end
return answer(number, JOINED, version, body)
