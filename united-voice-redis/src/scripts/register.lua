-- A process becomes a node: once at its start, and again after it lost its registration.
-- ARGV: a new boot id, nid, name, format and fingerprint, lease in us, '1' if it has seats to put back,
--       fingerprint of the rotated secret
local time, lease = now(), tonumber(ARGV[5])
local print = call('GET', P .. 'print')
if print and print ~= ARGV[4] then
    if print:sub(1, 1) ~= ARGV[4]:sub(1, 1) then return { 'FORMAT' } end
    -- Another secret may come in once all nodes have been gone for a lease.
    local alive = call('ZCOUNT', P .. 'leases', decimal(time - lease), '+inf')
    if alive > 0 then return { 'FINGERPRINT' } end
    print = nil
end
if node[1] then return { 'TAKEN' } end

-- One node after the other gets a new rotated secret, so it is compared with what nodes have now.
local differs = 0
for _, of in ipairs(call('ZRANGEBYSCORE', P .. 'leases', decimal(time - lease), '+inf')) do
    local other = call('HGET', P .. 'n:' .. of, 'rotated')
    if other and other ~= ARGV[7] and of:sub(1, 8) ~= nid:sub(1, 8) then differs = 1 end
end

if not engine[1] then
    -- The engine is new, or it lost its data. Others may have seats, so no join for one lease.
    engine[1], engine[4] = ARGV[1], decimal(time + lease)
    engine[3] = decimal(next_version())
    call('MSET', P .. 'boot', engine[1], P .. 'recover', engine[4], P .. 'policy', engine[3])
end
if not print then call('SET', P .. 'print', ARGV[4]) end
if not engine[5] then call('SET', P .. 'heard', decimal(time)) end
call('HSET', P .. 'n:' .. nid, 'op', 0, 'in', 0, 'name', ARGV[3], 'rotated', ARGV[7])
call('ZADD', P .. 'leases', decimal(time + lease), nid)
if ARGV[6] == '1' then call('SADD', P .. 'pending', nid) end
-- This makes the inbox. All other scripts write only into an inbox that is there.
call('XADD', P .. 'in:' .. nid, '*', 'e', pack('>BBI8I8I8', MAJOR, TICK, 0, 0, tonumber(engine[2]))
    .. field(1, pack('>I8', 0)) .. field(2, pack('>I8', 1)))
call('EXPIRE', P .. 'in:' .. nid, INBOX_SECONDS)
return { 'OK', engine[1], tonumber(engine[3]), recovery_left(time), differs }
