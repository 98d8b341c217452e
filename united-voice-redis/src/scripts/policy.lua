-- A limit has changed. Joins whose node asked its directory before this are refused and ask again.
-- ARGV: boot, nid
local stop = standing()
if stop then return { stop } end
local epoch = next_version()
call('SET', P .. 'policy', decimal(epoch))
return { 'OK', epoch }
