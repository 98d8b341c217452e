-- What all scripts share. It stands in front of each of them.
--
-- KEYS[1] is the prefix with its hash tag, `{prefix}:`. The scripts make all other keys from it, so
-- all keys are in one slot. ARGV[1] is the boot id and ARGV[2] the nid of the node that calls.
--
-- Ids may hold any byte. So nothing here uses separators or patterns: a nid has 17 bytes, a session
-- id 8, and a text of another length stands behind its length or at the end. Strings are compared
-- for equality only, since `<` would follow the locale of the engine.

local P, call, pack, unpack = KEYS[1], redis.call, struct.pack, struct.unpack
local nid = ARGV[2]

-- The kinds of entries, and the major number of their format.
local MAJOR, TICK, JOINED, LEFT, STATE, REFUSED, SEATS, REASSERTED = 1, 1, 2, 3, 4, 5, 6, 7
-- Why an operation was refused.
local FULL, POLICY, STALE, RECOVERING, NO_MEMORY = 1, 2, 3, 4, 5
-- An inbox of a node that reads nothing stops growing here, and goes an hour after the last beat.
local INBOX_ENTRIES, INBOX_SECONDS = 100000, 3600
-- A process that was suspended for so long may still learn that its seats were ended.
local MARK_SECONDS = 7 * 24 * 3600
-- So many microseconds do joins wait for nodes that have not put all their seats back. A million
-- seats take about 45 s. A node that registers again and again must not keep everybody out.
local PUT_BACK = 60000000

-- `tostring` would round versions to 14 digits.
local function decimal(number)
    return string.format('%.0f', number)
end

local function now()
    local time = call('TIME')
    return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- What every script has to know.
local engine = call('MGET', P .. 'boot', P .. 'ver', P .. 'policy', P .. 'recover', P .. 'heard')
local node = call('HMGET', P .. 'n:' .. nid, 'op', 'in', 'dead')

-- Nil if the node may go on, else the answer.
local function standing()
    if engine[1] ~= ARGV[1] then return 'REBOOT' end
    if not node[1] or node[3] then return 'FENCED' end
end

-- The same for a numbered operation. Only the next number runs, so a copy that comes late or twice
-- does nothing.
local function standing_of(number)
    local stop = standing()
    if stop then return stop end
    local last = tonumber(node[1])
    if number <= last then return 'DUP' end
    if number > last + 1 then return 'GAP' end
end

-- A version is never given twice, even if the data went back, because it grows with the clock.
local function next_version()
    local version = math.max((tonumber(engine[2]) or 0) + 1, now())
    engine[2] = decimal(version)
    call('SET', P .. 'ver', engine[2])
    return version
end

-- For how many microseconds joins are refused, because seats that were lost are being put back.
local function recovery_left(time)
    if not engine[4] then return 0 end
    local left = tonumber(engine[4]) - time
    if left > 0 then return left end
    if left <= -PUT_BACK then return 0 end
    return call('EXISTS', P .. 'pending')
end

local function field(tag, value)
    return pack('>BI4c0', tag, #value, value)
end

-- One member as `P:r:<room>` keeps it. Entries have the session id in front.
local function record(version, of, flags, limit, user, profile)
    return pack('>I8c17I2I4Bc0c0', version, of, flags, limit, #user, user, profile)
end

-- version, nid, flags, limit, user
local function parse_record(bytes)
    local version, of, flags, limit, length = unpack('>I8c17I2I4B', bytes)
    return version, of, flags, limit, bytes:sub(33, 32 + length)
end

local function append(to, n, kind, asked, version, body)
    call('XADD', P .. 'in:' .. to, 'NOMKSTREAM', 'MAXLEN', '~', INBOX_ENTRIES, '*', 'e',
        pack('>BBI8I8I8', MAJOR, kind, n, asked, version) .. body)
end

-- Writes an entry into the inbox of another node, and counts it there.
local function tell(to, kind, version, body)
    append(to, call('HINCRBY', P .. 'n:' .. to, 'in', 1), kind, 0, version, body)
end

-- Ends a numbered operation: exactly one entry for the node that asked.
local function answer(number, kind, version, body)
    local n = tonumber(node[2]) + 1
    call('HSET', P .. 'n:' .. nid, 'op', number, 'in', n)
    append(nid, n, kind, number, version, body)
    return 'OK'
end

local function refuse(number, reason, more)
    return answer(number, REFUSED, tonumber(engine[2]) or 0,
        field(1, string.char(reason)) .. (more or ''))
end

local function count_down(room, of)
    if call('HINCRBY', P .. 'rn:' .. room, of, -1) <= 0 then
        call('HDEL', P .. 'rn:' .. room, of)
    end
end

-- A seat is { session =, user =, nid =, room = }.
local function take_out(seat)
    call('HDEL', P .. 'r:' .. seat.room, seat.session)
    call('HDEL', P .. 'u:' .. seat.user, seat.session)
    call('SREM', P .. 'ns:' .. seat.nid, seat.session .. seat.user)
    count_down(seat.room, seat.nid)
end

local function put_in(seat, bytes)
    call('HSET', P .. 'r:' .. seat.room, seat.session, bytes)
    call('HSET', P .. 'u:' .. seat.user, seat.session, seat.nid .. seat.room)
    call('SADD', P .. 'ns:' .. seat.nid, seat.session .. seat.user)
    call('HINCRBY', P .. 'rn:' .. seat.room, seat.nid, 1)
end

-- The seats of a user.
local function seats_of(user)
    local flat, seats = call('HGETALL', P .. 'u:' .. user), {}
    for i = 1, #flat, 2 do
        local there = flat[i + 1]
        seats[#seats + 1] =
            { session = flat[i], user = user, nid = there:sub(1, 17), room = there:sub(18) }
    end
    return seats
end

-- Whether a nid, or a seat as `P:u:<user>` keeps it, is one of the calling process. It may still be
-- an earlier registration.
local function is_own(there)
    return there and there:sub(1, 8) == nid:sub(1, 8)
end

-- Collects what each node is to be told, in one order for all of them.
local function lists()
    return { order = {}, of = {} }
end

local function note(told, to, bytes)
    local list = told.of[to]
    if not list then
        list = {}
        told.of[to], told.order[#told.order + 1] = list, to
    end
    list[#list + 1] = bytes
end

-- Takes seats out and tells the nodes of their rooms, with one entry a node. The calling node is
-- left out. The answer is the list of all seats, for its own entry.
local function end_seats(seats, reason)
    local told, all, nodes = lists(), {}, {}
    for _, seat in ipairs(seats) do
        nodes[seat.room] = nodes[seat.room] or call('HKEYS', P .. 'rn:' .. seat.room)
        local bytes = field(2,
            pack('>c8Bc0c0', seat.session, #seat.user, seat.user, seat.room))
        all[#all + 1] = bytes
        for _, to in ipairs(nodes[seat.room]) do
            if to ~= nid then note(told, to, bytes) end
        end
    end
    local version = next_version()
    local head = field(1, string.char(reason))
    for _, seat in ipairs(seats) do take_out(seat) end
    for _, to in ipairs(told.order) do
        tell(to, LEFT, version, head .. table.concat(told.of[to]))
    end
    return version, head .. table.concat(all)
end

-- What the host ended, for seats that are put back later: by user and room ('' for all), or by room.
-- Seats up to the version of the end do not come back.
local function ended_of_user(user) return P .. 'eu:' .. user end
local function ended_of_room(room) return P .. 'er:' .. room end

local function note_end(key, where, version, reason)
    local noted = call('HGET', key, where)
    if not noted or unpack('>I8', noted) < version then
        call('HSET', key, where, pack('>I8B', version, reason))
    end
    call('EXPIRE', key, INBOX_SECONDS)
end

-- Why the host ended a seat, or nil.
local function reason_of_end(seat, version)
    local user = ended_of_user(seat.user)
    local noted = { call('HGET', user, ''), call('HGET', user, seat.room),
        call('HGET', ended_of_room(seat.room), '') }
    for i = 1, 3 do
        if noted[i] then
            local ended, reason = unpack('>I8B', noted[i])
            if version <= ended then return reason end
        end
    end
end

-- Who marked a registration as dead: others or itself at its end, or a later one of its process.
local BY_OTHERS, BY_LATER = '1', '2'

-- The inbox goes at once, and nothing makes it again. A node that is marked while it lives would
-- take the ends of its own seats for what their members wanted.
local function mark_dead(of, by)
    call('HSET', P .. 'n:' .. of, 'dead', by)
    call('DEL', P .. 'in:' .. of)
    call('SADD', P .. 'dead', of)
    call('ZREM', P .. 'leases', of)
    call('SREM', P .. 'pending', of)
end

-- A node without seats goes, and its mark stays: `reassert` asks whether an earlier registration was
-- reaped.
local function bury(of)
    call('DEL', P .. 'ns:' .. of)
    call('SREM', P .. 'dead', of)
    call('EXPIRE', P .. 'n:' .. of, MARK_SECONDS)
end

