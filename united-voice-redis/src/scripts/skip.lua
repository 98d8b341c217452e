-- Uses up the number of a join that the engine refused because its memory is full.
-- ARGV: boot, nid, number
local number = tonumber(ARGV[3])
return standing_of(number) or refuse(number, NO_MEMORY)
