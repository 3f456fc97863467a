import { createHash } from 'node:crypto'
import type { Room, WindowLimit } from './sliding-window.ts'
import { slots, spanMs, subWindows } from './sliding-window.ts'

/**
 * `sliding-window.ts` as one atomic script: all windows of a group are looked at, and then counted in, or none is. A
 * minute is a sorted set of its uses, an hour or a day a hash of its sub-windows, their sum `n` and the number `at` of
 * the present one. Time is that of Redis, so that instances whose clocks differ count alike; a test may bring its own.
 *
 * KEYS: a window each. ARGV: the time in ms or 0, then of each window its span in ms, its limit, and the cost.
 * Returns whether it was counted, which is the tightest, how long to wait in ms, and what is left of each.
 */
export const slidingWindowScript = `
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local minute = ${spanMs.minute}

local function spanOf(i) return tonumber(ARGV[3 * i - 1]) end
local function limitOf(i) return tonumber(ARGV[3 * i]) end
local function costOf(i) return tonumber(ARGV[3 * i + 1]) end
local function lengthOf(i) return spanOf(i) / ${subWindows} end

local counts, presents = {}, {}

local function forgetUses(i)
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now - minute)
  counts[i] = redis.call('ZCARD', KEYS[i])
end

local function begin(i)
  redis.call('HSET', KEYS[i], 'at', presents[i], 'n', counts[i])
  -- To the end of this sub-window, and then until it has left.
  redis.call('PEXPIRE', KEYS[i], spanOf(i) + 2 * lengthOf(i))
end

local function forgetSubWindows(i)
  local present = math.floor(now / lengthOf(i))
  local found = redis.call('HMGET', KEYS[i], 'at', 'n')
  counts[i], presents[i] = tonumber(found[2] or 0), present
  if not found[1] then return begin(i) end
  local at = tonumber(found[1])
  if present <= at then presents[i] = at return end
  local gone = {}
  for number = at + 1, math.min(present, at + ${slots}) do gone[#gone + 1] = number % ${slots} end
  for _, count in ipairs(redis.call('HMGET', KEYS[i], unpack(gone))) do
    counts[i] = counts[i] - tonumber(count or 0)
  end
  redis.call('HDEL', KEYS[i], unpack(gone))
  begin(i)
end

local function add(i)
  local cost = costOf(i)
  if cost == 0 then return end
  if spanOf(i) == minute then
    for use = 1, cost do redis.call('ZADD', KEYS[i], now, string.format('%.0f-%d', now, counts[i] + use)) end
    redis.call('PEXPIRE', KEYS[i], minute)
  else
    redis.call('HINCRBY', KEYS[i], presents[i] % ${slots}, cost)
    redis.call('HINCRBY', KEYS[i], 'n', cost)
  end
  counts[i] = counts[i] + cost
end

local function waitForUses(i, uses)
  local last = redis.call('ZRANGE', KEYS[i], uses - 1, uses - 1, 'WITHSCORES')
  return last[2] + minute - now
end

local function waitForSubWindows(i, uses)
  local places = {}
  for number = presents[i] - ${subWindows}, presents[i] do places[#places + 1] = number % ${slots} end
  for place, count in ipairs(redis.call('HMGET', KEYS[i], unpack(places))) do
    uses = uses - tonumber(count or 0)
    if uses <= 0 then return (presents[i] - ${subWindows} + place - 1 + ${slots}) * lengthOf(i) - now end
  end
  return 0
end

local function waitFor(i, uses)
  uses = math.min(uses, counts[i])
  if uses <= 0 then return 0 end
  if spanOf(i) == minute then return waitForUses(i, uses) end
  return waitForSubWindows(i, uses)
end

local full = {}
for i = 1, #KEYS do
  if spanOf(i) == minute then forgetUses(i) else forgetSubWindows(i) end
  if counts[i] + costOf(i) > limitOf(i) then full[#full + 1] = i end
end

local function left(i) return math.max(0, limitOf(i) - counts[i]) end

local tightest, wait = 1, -1
if #full == 0 then
  for i = 1, #KEYS do
    add(i)
    if left(i) < left(tightest) then tightest = i end
  end
  wait = waitFor(tightest, 1)
else
  for _, i in ipairs(full) do
    local longest = costOf(i) > limitOf(i) and spanOf(i) or waitFor(i, counts[i] + costOf(i) - limitOf(i))
    if longest > wait then tightest, wait = i, longest end
  end
end

local answer = { #full == 0 and 1 or 0, tightest - 1, wait }
for i = 1, #KEYS do answer[#answer + 1] = left(i) end
return answer`

export const slidingWindowDigest = createHash('sha1').update(slidingWindowScript).digest('hex')

/** What the script is given beside the keys. */
export function argumentsOf(windows: readonly WindowLimit[], nowMs = 0): number[] {
  return [nowMs, ...windows.flatMap(({ span, limit, cost }) => [spanMs[span], limit, cost])]
}

/** What the script answered. */
export function readRoom(answer: unknown): Room {
  const [counted, tightest = 0, waitMs = 0, ...remaining] = Array.isArray(answer) ? answer.map(Number) : []
  if (remaining.length === 0 || [counted, tightest, waitMs, ...remaining].some((each) => !Number.isSafeInteger(each)))
    throw new Error('the script of the sliding windows gave no answer of its own')
  return { isAllowed: counted === 1, remaining, tightest, waitMs }
}
