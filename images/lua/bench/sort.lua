-- SPDX-License-Identifier: Apache-2.0
-- Sorts numbers, strings and records with table.sort: comparisons, closures called from C, tables.
-- Checks the order and prints a checksum of it.
local n = tonumber(arg and arg[1]) or 150000

local state = 42
local function random()
	state = (state * 6364136223846793005 + 1442695040888963407)
	return state >> 33
end

local function check(list, before)
	for i = 2, #list do
		assert(not before(list[i], list[i - 1]), "not in order")
	end
end

local function mix(sum, value)
	return (sum * 33 + value) % 4294967296
end

local function ascending(a, b)
	return a < b
end

local numbers, texts, records = {}, {}, {}
for i = 1, n do
	numbers[i] = random()
	texts[i] = string.format("%x", random())
	records[i] = { key = random() % 1000, place = i }
end

table.sort(numbers)
check(numbers, ascending)
table.sort(texts)
check(texts, ascending)
local function by_key(a, b)
	if a.key ~= b.key then
		return a.key < b.key
	end
	return a.place < b.place
end
table.sort(records, by_key)
check(records, by_key)

local sum = 0
for i = 1, n do
	sum = mix(sum, numbers[i])
	sum = mix(sum, texts[i]:byte(1) * 256 + #texts[i])
	sum = mix(sum, records[i].place)
end
print(string.format("sort(%d): checksum %08x", n, sum))
