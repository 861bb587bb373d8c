-- Turns by Redis' own clock: the rules of turns.py. All times are microseconds.
-- KEYS: the page (a hash), the machines (a sorted set).
-- ARGV: what is asked for, distance, slowed distance, most, window, time since this process last asked (-1: never),
--       machine, seconds of slow and hold.
local asked, distance, slowed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most, window, since, amount = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8])
local names = {'last', 'offset', 'next', 'held', 'factor', 'slowed_at', 'count'}
local page = {}
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
  page[names[i]] = tonumber(value or 0)
end
page.factor = math.max(page.factor, 1)

-- Redis has a wall clock, which may jump. The page's clock never goes back, nor faster than that of who asks.
local time = redis.call('TIME')
local wall = time[1] * 1000000 + time[2]
local now = wall + page.offset
if page.last > 0 then
  now = math.max(now, page.last)
  if since >= 0 then now = math.min(now, page.last + since) end
  page.offset = now - wall
elseif since >= 0 then
  page.held = now + 1010000 -- Redis has forgotten who entered in the last second.
end
page.last = now

local function take()
  local turn = math.max(page.next, page.held, now)
  page.next = turn + (page.factor > 1 and slowed * page.factor or distance)
  return turn - now
end

local wait = 0
if asked == 'turn' then
  wait = take()
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + wait), ARGV[7])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - 60000000))
  redis.call('PEXPIRE', KEYS[2], 86400000)
elseif asked == 'enter' then
  if now < page.held then
    wait = take()
  else
    if most > 0 and page.count >= most then
      local entered = tonumber(redis.call('HGET', KEYS[1], (page.count - most) % 4096) or 0)
      wait = math.max(0, entered + window - now)
    end
    if wait == 0 then
      redis.call('HSET', KEYS[1], page.count % 4096, string.format('%.0f', now))
      page.count = page.count + 1
    end
  end
elseif asked == 'slow' then
  if now >= page.slowed_at + 1000000 then
    page.factor = math.min(page.factor * 2, 64)
    page.slowed_at = now
  end
  page.held = math.max(page.held, now + amount)
elseif asked == 'hold' then
  page.held = math.max(page.held, now + amount)
elseif asked == 'speed' then
  page.factor = math.max(1, page.factor * 0.9)
end

local values = {}
for _, name in ipairs(names) do
  values[#values + 1] = name
  values[#values + 1] = string.format(name == 'factor' and '%.6f' or '%.0f', page[name])
end
redis.call('HSET', KEYS[1], unpack(values))
redis.call('PEXPIRE', KEYS[1], 86400000)
return {math.ceil(wait), math.ceil(page.factor * 1000), redis.call('ZCARD', KEYS[2])}
