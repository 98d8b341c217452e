-- A node that registered anew puts its seats back. This is an operation with a number like any
-- other, so a late copy cannot bring back a seat that has left meanwhile.
-- ARGV: boot, nid, number, earlier nids of this process, '1' with the last chunk,
--       then for each seat: session, version, flags, limit, user, room, profile
local number = tonumber(ARGV[3])
local stop = standing_of(number)
if stop then return stop end

local DONE, SUPERSEDED, NO_PLACE, REAPED, REAPED_AND_BACK, ENDED, BY_HOST = 0, 1, 2, 3, 4, 5, 6

local is_dead, earlier_nids = false, {}
for i = 1, #ARGV[4], 17 do
    local earlier = ARGV[4]:sub(i, i + 16)
    earlier_nids[#earlier_nids + 1] = earlier
    -- If this process reaped it by itself, nobody was told that seats are gone which it still has.
    is_dead = is_dead or call('HGET', P .. 'n:' .. earlier, 'dead') == BY_OTHERS
end
local is_recovering = recovery_left(now()) > 0
local process, told, results = nid:sub(1, 8), lists(), {}
-- The other nodes in the rooms of the seats. The caller may not have heard of their registrations.
local others = {}
local highest = tonumber(engine[2]) or 0

-- The seat of this very session: still there, with an earlier nid or with this one.
local function move(seat, there, bytes)
    if not is_own(there) then return SUPERSEDED end
    local before = there:sub(1, 17)
    if before ~= nid then
        call('SREM', P .. 'ns:' .. before, seat.session .. seat.user)
        count_down(seat.room, before)
        put_in(seat, bytes)
    else
        call('HSET', P .. 'r:' .. seat.room, seat.session, bytes)
    end
    return DONE, {}
end

-- Whether the user sits by a connection. A seat of this process that it does not put back is that of
-- a join whose outcome it never had: the join was refused, and the seat will be reaped.
local function has_connection(seats)
    for _, seat in ipairs(seats) do
        if not is_own(seat.nid) then return true end
    end
    return false
end

-- The engine does not know the session. The newer of two seats of one user stays. Returns the result,
-- and the seats that it replaces or the reason of the host.
local function restore(seat, version, limit, bytes)
    local old, has_seat_here = seats_of(seat.user), false
    -- The others were told that it left. Its client is told so, too, or that it has another seat.
    if is_dead then
        for _, earlier in ipairs(earlier_nids) do
            if call('SISMEMBER', P .. 'reaped:' .. earlier, seat.session) == 1 then
                return has_connection(old) and REAPED_AND_BACK or REAPED
            end
        end
    end
    local reason = reason_of_end(seat, version)
    if reason then return BY_HOST, reason end
    if is_dead then return has_connection(old) and SUPERSEDED or ENDED end
    for _, other in ipairs(old) do
        local theirs = parse_record(call('HGET', P .. 'r:' .. other.room, other.session))
        if theirs > version then return has_connection(old) and SUPERSEDED or ENDED end
        has_seat_here = has_seat_here or other.room == seat.room
    end
    -- While no join is admitted, only seats that were lawful come back.
    if not is_recovering and limit > 0 and not has_seat_here
        and call('HLEN', P .. 'r:' .. seat.room) >= limit then
        return NO_PLACE
    end
    for _, other in ipairs(old) do
        other.nodes = call('HKEYS', P .. 'rn:' .. other.room)
        take_out(other)
    end
    put_in(seat, bytes)
    return DONE, old
end

for i = 6, #ARGV, 7 do
    local version, flags, limit =
        tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
    local seat = { session = ARGV[i], user = ARGV[i + 4], nid = nid, room = ARGV[i + 5] }
    local bytes = record(version, nid, flags, limit, seat.user, ARGV[i + 6])
    local there = call('HGET', P .. 'u:' .. seat.user, seat.session)
    local result, more
    if there then
        -- One session is one stay in one room. The engine's word on the room counts.
        if there:sub(18) ~= seat.room then result = SUPERSEDED
        else result, more = move(seat, there, bytes) end
    else
        result, more = restore(seat, version, limit, bytes)
    end
    local why = result == BY_HOST and string.char(more) or ''
    results[#results + 1] = field(1, seat.session .. string.char(result) .. why)
    if result == DONE then
        highest = math.max(highest, version)
        local nodes = {}
        for _, to in ipairs(call('HKEYS', P .. 'rn:' .. seat.room)) do nodes[to] = true end
        local parts = { field(1, seat.room), field(2, seat.session .. bytes) }
        for _, other in ipairs(more) do
            parts[#parts + 1] = field(3, other.session .. other.room)
            for _, to in ipairs(other.nodes) do nodes[to] = true end
        end
        local body = field(1, table.concat(parts))
        for to in pairs(nodes) do
            if to:sub(1, 8) ~= process then
                note(told, to, body)
                others[to] = true
            end
        end
    end
end

-- A version that comes back may be ahead of the engine's clock.
engine[2] = decimal(highest)
local version = next_version()
if ARGV[5] == '1' then call('SREM', P .. 'pending', nid) end
for _, to in ipairs(told.order) do
    tell(to, SEATS, version, table.concat(told.of[to]))
end
for to in pairs(others) do results[#results + 1] = field(2, to) end
return answer(number, REASSERTED, version, table.concat(results))
