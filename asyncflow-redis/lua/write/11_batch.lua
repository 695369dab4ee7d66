-- Arguments in; then all is read, and whatever stands in the way is found.

local at = 4

local function argument()
  at = at + 1
  return ARGV[at]
end

-- A patch, with what it brings behind it.
local function argument_patch()
  local patch, progress, part = patch_of(argument()), nil, nil
  if patch[PROGRESS_KIND] == 2 then progress = argument() end
  if patch[PARTS] == RESULT or patch[PARTS] == ERROR then part = argument() end
  return patch, progress, part
end

local policies, inserts, changes, claims = {}, {}, {}, {}
-- What is to be read of the flow.
local ids, tokens, keys, owners, limited = {}, {}, {}, {}, {}
local new_job, insert, held_back, started
if insert_count > 0 then new_job, insert = inserting() end

for n = 1, policy_count do policies[n] = { argument(), argument() } end
for n = 1, insert_count do
  local new = new_job(argument())
  new.request = argument()
  if new.flags % 2 == WITH_KEY then
    new.key = argument()
    new.fingerprint, new.keep = struct.unpack('>c16c8', argument())
    keys[#keys + 1] = new.key
  end
  if new.flags >= REPLACES then new.replace, new.progress, new.part = argument_patch() end
  local rec = new.record
  inserts[n], ids[#ids + 1] = new, rec[ID]
  if rec[OWNER] then owners[#owners + 1] = 'o' .. rec[OWNER] end
  if rec[KEY] and claim_count > 0 then limited[#limited + 1] = rec[KEY] end
end
for n = 1, change_count do
  local change = { struct.unpack(CHANGE_FORMAT, argument()) }
  change[CHANGE_PATCH], change[CHANGE_REPORT], change[CHANGE_PART] = argument_patch()
  changes[n], ids[#ids + 1] = change, change[CHANGE_ID]
end
for n = 1, claim_count do
  local claim = { struct.unpack(CLAIM_FORMAT, argument()) }
  local patch, which, versions_of = patch_of(argument()), argument(), nil
  if claim[PICK] == BY_ID then
    ids[#ids + 1] = which
  else
    versions_of = {}
    for from = 1, #which, 2 do versions_of[#versions_of + 1] = (struct.unpack('>H', which, from)) end
  end
  for limit = MOST_RUNNING, KEY_RATE_ALL do
    if claim[limit] >= 0 and not held_back then held_back, started = limiting() end
  end
  claim[CLAIM_PATCH], claim[WHICH], claim[VERSIONS] = patch, which, versions_of
  claims[n], tokens[n] = claim, claim[HOLDER]
end

local function unreadable(id)
  local raw = redis.pcall('GET', base .. 'j' .. id)
  local format = type(raw) == 'string' and string.byte(raw) or FORMAT
  local hex = string.gsub(id, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
  return redis.error_reply(string.format('ASYNCFLOW unreadable %s %d', hex, format))
end

-- Reads many fields of a hash at once.
local function load_fields(name, wanted)
  for from = 1, #wanted, MOST_ARGUMENTS do
    local last = math.min(from + MOST_ARGUMENTS - 1, #wanted)
    local got = redis.call('HMGET', base .. name, unpack(wanted, from, last))
    for n = from, last do hash(name).known[wanted[n]] = got[n - from + 1] end
  end
end

load(ids)
-- Those that live under the unique keys, and those whom somebody means.
local meant = {}
for n = 1, insert_count do
  local unique = inserts[n].record[UNIQUE]
  local other = unique and field('n', unique)
  if other then meant[#meant + 1] = other end
end
if meant[1] then load(meant) end
for n = 1, insert_count + change_count do meant[#meant + 1] = ids[n] end
for n = 1, change_count do
  local change = changes[n]
  local rec = known[change[CHANGE_ID]]
  if rec[HELD] == 1 and change[CHANGE_PATCH][TO] >= 0 then
    tokens[#tokens + 1] = rec[TOKEN]
    if rec[KEY] then limited[#limited + 1] = rec[KEY] end
  end
end
for n = 1, #meant do
  if known[meant[n]] == UNREADABLE then return unreadable(meant[n]) end
end
values('i', keys, function(key, use) uses[key] = use and #use == USE_SIZE and string.byte(use) == FORMAT and use end)
load_fields('w', owners)
load_fields('u', limited)
values('t', tokens, function(token, jobs) held[token] = jobs or '' end)
for n = 1, claim_count do
  local jobs, again = held[tokens[n]], {}
  for from = 1, #jobs, 16 do again[#again + 1] = string.sub(jobs, from, from + 15) end
  if again[1] then load(again) end
end
