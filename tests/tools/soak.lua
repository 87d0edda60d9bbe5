-- SPDX-License-Identifier: Apache-2.0
-- For wrk: each connection waits before each request, SOAK_DELAY milliseconds in the mean.
local mean = tonumber(os.getenv("SOAK_DELAY"))

function delay()
	return math.random(0, 2 * mean)
end
