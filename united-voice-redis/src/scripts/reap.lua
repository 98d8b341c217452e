-- Takes out the seats of a node that is dead, 32 a call, and tells their rooms.
-- ARGV: boot, nid, nid to reap
local stop = standing()
if stop then return { stop, 0 } end

local CHUNK, DISCONNECTED = 32, 3
local dead = ARGV[3]
local known = call('HMGET', P .. 'n:' .. dead, 'op', 'dead')
if known[1] and not known[2] then
    local ends = call('ZSCORE', P .. 'leases', dead)
    -- The lease is measured by the last beat that was heard, not by the clock.
    local is_over = not ends or tonumber(ends) < tonumber(engine[5])
    local is_earlier_self = dead:sub(1, 9) == nid:sub(1, 9)
        and tonumber(dead:sub(10), 16) < tonumber(nid:sub(10), 16)
    if dead == nid or not (is_over or is_earlier_self) then return { 'ALIVE', 0 } end
end

local seats, strays = {}, {}
for _, member in ipairs(call('SRANDMEMBER', P .. 'ns:' .. dead, CHUNK)) do
    local session, user = member:sub(1, 8), member:sub(9)
    local there = call('HGET', P .. 'u:' .. user, session)
    if there and there:sub(1, 17) == dead then
        seats[#seats + 1] = { session = session, user = user, nid = dead, room = there:sub(18) }
    else
        strays[#strays + 1] = member
    end
end

-- It is marked before the first seat goes, so that it cannot put back what others were told is gone.
if known[1] and not known[2] then mark_dead(dead, is_own(dead) and BY_LATER or BY_OTHERS) end
for _, member in ipairs(strays) do call('SREM', P .. 'ns:' .. dead, member) end
if #seats > 0 then
    -- A process that reaps its own earlier registration has put back each stay that had not ended,
    -- and has told its host of the others. Another node may help it with the reaping.
    local is_told = is_own(dead) or known[2] == BY_LATER
    if not is_told then
        -- If the node comes back, its host must not hear of these ends again.
        local reaped = P .. 'reaped:' .. dead
        for _, seat in ipairs(seats) do call('SADD', reaped, seat.session) end
        call('EXPIRE', reaped, INBOX_SECONDS)
    end
    local version, body = end_seats(seats, DISCONNECTED)
    if not is_told then body = body .. field(4, '') end
    tell(nid, LEFT, version, body)
end
if call('EXISTS', P .. 'ns:' .. dead) == 1 then return { 'MORE', #seats } end
if known[1] then bury(dead) end
return { 'DONE', #seats }
