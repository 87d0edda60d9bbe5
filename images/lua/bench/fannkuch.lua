-- SPDX-License-Identifier: Apache-2.0
-- Fannkuch: over all permutations of 1..n, how often the first elements are reversed until 1 leads.
-- Integer arithmetic and table access. Prints a checksum and the largest number of reversals.
local n = tonumber(arg and arg[1]) or 9

local perm, work, count = {}, {}, {}
for i = 1, n do
	perm[i] = i
	count[i] = i
end

local function reversals()
	for i = 1, n do
		work[i] = perm[i]
	end
	local flips = 0
	while work[1] ~= 1 do
		local low, high = 1, work[1]
		while low < high do
			work[low], work[high] = work[high], work[low]
			low, high = low + 1, high - 1
		end
		flips = flips + 1
	end
	return flips
end

-- Turns perm into its successor by rotating ever longer prefixes; false after the last one.
local function advance()
	for len = 2, n do
		local first = perm[1]
		for i = 1, len - 1 do
			perm[i] = perm[i + 1]
		end
		perm[len] = first
		count[len] = count[len] - 1
		if count[len] > 0 then
			return true
		end
		count[len] = len
	end
	return false
end

local checksum, most, sign = 0, 0, 1
repeat
	local flips = reversals()
	checksum = checksum + sign * flips
	sign = -sign
	if flips > most then
		most = flips
	end
until not advance()
print(string.format("fannkuch(%d): checksum %d, most reversals %d", n, checksum, most))
