-- A node renews its lease. Lease time passes only while beats are heard: if the engine was away or
-- its clock jumped, no node is to blame.
-- ARGV: boot, nid, lease in us, number of the beat, earlier nids of this process that it keeps alive
local stop = standing()
if stop then return { stop } end

local time, lease = now(), tonumber(ARGV[3])
local silence = time - (tonumber(engine[5]) or time)
local latest = time + lease
local inbox = P .. 'in:' .. nid
local added, length = -1, 0
if call('EXISTS', inbox) == 1 then
    local info = call('XINFO', 'STREAM', inbox)
    for i = 1, #info, 2 do
        if info[i] == 'entries-added' then added = info[i + 1] end
        if info[i] == 'length' then length = info[i + 1] end
    end
end

if silence < 0 or silence > lease * 2 / 3 then
    local leases = call('ZRANGE', P .. 'leases', 0, -1, 'WITHSCORES')
    for i = 1, #leases, 2 do
        local ends = math.min(tonumber(leases[i + 1]) + silence, latest)
        call('ZADD', P .. 'leases', decimal(ends), leases[i])
    end
    if engine[4] then
        engine[4] = decimal(math.min(tonumber(engine[4]) + silence, latest))
        call('SET', P .. 'recover', engine[4])
    end
end
call('SET', P .. 'heard', decimal(time))
call('ZADD', P .. 'leases', decimal(latest), nid)
for i = 1, #ARGV[5], 17 do
    call('ZADD', P .. 'leases', 'XX', decimal(latest), ARGV[5]:sub(i, i + 16))
end
local left = recovery_left(time)
if engine[4] and left == 0 then call('DEL', P .. 'recover') end

local overdue = call('SRANDMEMBER', P .. 'dead', 8)
if #overdue < 8 then
    local over = call('ZRANGEBYSCORE', P .. 'leases', '-inf', '(' .. decimal(time), 'LIMIT', 0,
        8 - #overdue)
    for _, of in ipairs(over) do overdue[#overdue + 1] = of end
end
if added >= 0 then
    append(nid, tonumber(node[2]), TICK, 0, tonumber(engine[2]) or 0,
        field(1, pack('>I8', tonumber(ARGV[4]))) .. field(2, pack('>I8', added + 1)))
    call('EXPIRE', inbox, INBOX_SECONDS)
end
return { 'OK', tonumber(node[1]), tonumber(node[2]), tonumber(engine[3]), added >= 0 and 1 or 0,
    length, left, overdue }
