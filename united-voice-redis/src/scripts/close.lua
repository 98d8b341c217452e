-- A node ends. Others reap what it has left behind.
-- ARGV: boot, nid
local stop = standing()
if stop then return stop end
mark_dead(nid, BY_OTHERS)
if call('EXISTS', P .. 'ns:' .. nid) == 0 then bury(nid) end
return 'OK'
