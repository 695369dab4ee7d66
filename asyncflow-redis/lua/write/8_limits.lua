-- What may start within limits. When what started is paid back, of the flow and of its keys; and what of it has changed.
local paid, paying = {}, {}

-- Made just where there are limits.
local function limiting()
  local function paid_of(name)
    if paid[name] == nil then paid[name] = tonumber(redis.call('ZSCORE', base .. 's', name) or nil) or false end
    return paid[name]
  end

  local function pay(name, at)
    paid[name] = at
    paying[name] = true
  end

  -- Whether one more may start by a rate, as `Rate::start` and `Rate::owed` say: nothing, or how long until one may.
  local function over(name, one, all)
    local last = paid_of(name)
    if not last then return nil end
    if last > now + all then
      last = now + all
      pay(name, last)
    end
    local owed = math.max(last - now, 0) + one
    if owed > all then return owed - all end
  end

  local function start(name, one)
    pay(name, now + math.max((paid_of(name) or now) - now, 0) + one)
  end

  -- Whether a job of this key may start: nothing; or whether it is the `flow` that has to wait or the `key`, and how long if that is known.
  local function held_back(limits, key)
    if limits[MOST_RUNNING] >= 0 and count(PROCESSING) >= limits[MOST_RUNNING] then
      backs.f = true
      return 'flow'
    end
    local wait = limits[RATE_ALL] >= 0 and over('f', limits[RATE_ONE], limits[RATE_ALL])
    if wait then return 'flow', wait end
    if not key then return nil end
    if limits[MOST_PER_KEY] >= 0 and (tonumber(field('u', key)) or 0) >= limits[MOST_PER_KEY] then
      backs['k' .. key] = true
      return 'key'
    end
    wait = limits[KEY_RATE_ALL] >= 0 and over('k' .. key, limits[KEY_RATE_ONE], limits[KEY_RATE_ALL])
    if wait then return 'key', wait end
  end

  -- A job of this key starts.
  local function started(limits, key)
    if limits[RATE_ALL] >= 0 then start('f', limits[RATE_ONE]) end
    if key and limits[KEY_RATE_ALL] >= 0 then start('k' .. key, limits[KEY_RATE_ONE]) end
  end

  return held_back, started
end
