-- SPDX-License-Identifier: Apache-2.0
-- Planets drawn by their own gravity, integrated with the leapfrog scheme. Floating point.
-- Prints the energy, which the scheme keeps nearly constant, as a checksum.
local steps = tonumber(arg and arg[1]) or 300000

-- Units: the central mass is 1, its nearest planet circles at distance 1 in 2*pi units of time.
local bodies = { { x = 0, y = 0, z = 0, vx = 0, vy = 0, vz = 0, mass = 1 } }
for i = 1, 4 do
	local radius = i * 1.5 - 0.5
	local angle = i * 2.0
	local speed = math.sqrt(1 / radius)
	bodies[#bodies + 1] = {
		x = radius * math.cos(angle),
		y = radius * math.sin(angle),
		z = 0.01 * i,
		vx = -speed * math.sin(angle),
		vy = speed * math.cos(angle),
		vz = 0,
		mass = 1e-4 * i,
	}
end

local function kick(dt)
	for i = 1, #bodies do
		local a = bodies[i]
		for j = i + 1, #bodies do
			local b = bodies[j]
			local dx, dy, dz = b.x - a.x, b.y - a.y, b.z - a.z
			local square = dx * dx + dy * dy + dz * dz
			local pull = dt / (square * math.sqrt(square))
			local pull_a, pull_b = pull * b.mass, pull * a.mass
			a.vx, a.vy, a.vz = a.vx + dx * pull_a, a.vy + dy * pull_a, a.vz + dz * pull_a
			b.vx, b.vy, b.vz = b.vx - dx * pull_b, b.vy - dy * pull_b, b.vz - dz * pull_b
		end
	end
end

local function drift(dt)
	for i = 1, #bodies do
		local a = bodies[i]
		a.x, a.y, a.z = a.x + a.vx * dt, a.y + a.vy * dt, a.z + a.vz * dt
	end
end

local function energy()
	local sum = 0
	for i = 1, #bodies do
		local a = bodies[i]
		sum = sum + a.mass * (a.vx * a.vx + a.vy * a.vy + a.vz * a.vz) / 2
		for j = i + 1, #bodies do
			local b = bodies[j]
			local dx, dy, dz = b.x - a.x, b.y - a.y, b.z - a.z
			sum = sum - a.mass * b.mass / math.sqrt(dx * dx + dy * dy + dz * dz)
		end
	end
	return sum
end

local dt = 0.005
local before = energy()
for _ = 1, steps do
	drift(dt / 2)
	kick(dt)
	drift(dt / 2)
end
local after = energy()
assert(math.abs(after - before) < 1e-6, "energy is not conserved")
print(string.format("nbody(%d): energy %.15g, then %.15g", steps, before, after))
