-- Arguments in.

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
local policy_count, insert_count, change_count, claim_count = struct.unpack('>I4I4I4I4', ARGV[4])
-- What is to be read of the flow.
local ids, tokens, keys, owners, limited = {}, {}, {}, {}, {}

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
  if rec[OWNER] then owners[#owners + 1] = owner_field(rec[OWNER]) end
  if rec[KEY] and claim_count > 0 then limited[#limited + 1] = rec[KEY] end
end
for n = 1, change_count do
  local id, kind, version, due, token, since, knows = struct.unpack(GUARD, argument())
  local patch, progress, part = argument_patch()
  ids[#ids + 1] = id
  changes[n] = {
    id = id, guard = { kind, version, due, token, since, knows }, patch = patch, progress = progress, part = part,
  }
end
for n = 1, claim_count do
  local claim = { limits = { struct.unpack(CLAIM, argument()) } }
  claim.patch = patch_of(argument())
  -- What renews leases, and nothing else.
  claim.renewal = { -1, claim.patch[DUE_KIND], claim.patch[AFTER], 0, '', -1, 0, '', 0, KEEP, 1, 0 }
  local which = argument()
  if claim.limits[2] == BY_ID then
    claim.id, ids[#ids + 1] = which, which
  else
    claim.versions = {}
    for from = 1, #which, 2 do claim.versions[#claim.versions + 1] = (struct.unpack('>H', which, from)) end
  end
  claims[n], tokens[#tokens + 1] = claim, claim.limits[1]
end
