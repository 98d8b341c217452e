-- Who is in a room, at which version. A transaction of reads would be refused by an engine whose
-- memory is full, even though it only reads.
-- ARGV: room
local P, call = KEYS[1], redis.call
local engine = call('MGET', P .. 'ver', P .. 'boot', P .. 'recover')
local is_whole = engine[2] and not engine[3]
local pending = call('EXISTS', P .. 'pending')
return { engine[1], is_whole and 1 or 0, pending, call('HGETALL', P .. 'r:' .. ARGV[1]) }
