-- SPDX-License-Identifier: Apache-2.0
-- Builds a text from generated words, rewrites it with patterns and counts its words: string
-- allocation, gsub, table.concat and garbage collection. Prints counts and a checksum.
local rounds = tonumber(arg and arg[1]) or 25

local state = 12345
local function random(limit)
	state = (state * 1103515245 + 12345) % 2147483648
	return state // 65536 % limit
end

local function word()
	local letters = {}
	for i = 1, 2 + random(7) do
		letters[i] = string.char(97 + random(26))
	end
	return table.concat(letters)
end

-- Adler-32, so that every byte and its place count.
local function checksum(text)
	local a, b = 1, 0
	for i = 1, #text do
		a = (a + text:byte(i)) % 65521
		b = (b + a) % 65521
	end
	return b * 65536 + a
end

local words, sum, bytes, distinct = 0, 0, 0, {}
for round = 1, rounds do
	local pieces = {}
	for i = 1, 10000 do
		pieces[i] = word()
	end
	local text = table.concat(pieces, " ")
	text = text:gsub("%f[%w](%w)(%w*)", function(first, rest)
		return first:upper() .. rest
	end)
	text = text:gsub("[aeiou]+", "<%0>"):gsub("(%w+) (%w+)", "%2 %1")
	for found in text:gmatch("%a+") do
		words = words + 1
		distinct[found] = (distinct[found] or 0) + 1
	end
	bytes = bytes + #text
	sum = (sum * 31 + checksum(text) + round) % 4294967296
end
local kinds = 0
for _ in pairs(distinct) do
	kinds = kinds + 1
end
print(string.format("strings(%d): %d bytes, %d words, %d kinds, checksum %08x",
	rounds, bytes, words, kinds, sum))
