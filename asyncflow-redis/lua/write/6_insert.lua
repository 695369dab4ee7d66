-- New jobs.

local WITH_KEY, REPLACES, USE_SIZE = 1, 2, 57
-- What the keys were used for that the batch names.
local uses = {}
local new_job, insert

do
  -- What a record keeps as it comes begins behind this.
  local INSERT = '>c16Bc8c8I8BI8Bi8i8i8HbB'
  local KEPT = 52
  -- A key: which format, the job, when that was made, of which request, from when on and for how long it is remembered.
  local USE = '>Bc16i8c16i8c8'

  local function put_use(new, id, created)
    if not new.key then return end
    uses[new.key] = struct.pack(USE, FORMAT, id, created, new.fingerprint, now, new.keep)
    put('i' .. new.key, uses[new.key])
    ends['i' .. new.key] = whole(new.keep)
  end

  local function used(new)
    local use = uses[new.key]
    if not use then return nil end
    local _, id, created, fingerprint, from, keep = struct.unpack(USE, use)
    if from + whole(keep) <= now then return nil end
    if fingerprint ~= new.fingerprint then return 'B' end
    return 'E' .. id .. struct.pack('>i8', created)
  end

  local function existing(rec)
    return 'E' .. rec[ID] .. struct.pack('>i8', rec[CREATED])
  end

  -- The job that lives under a unique key.
  local function live(rec)
    local id = rec[UNIQUE] and field('n', rec[UNIQUE])
    local other = id and known[id]
    return type(other) == 'table' and is_live(other) and other or nil
  end

  -- How a job is refused for which there is no room.
  local function no_room(rec, new)
    if rec[OWNER] and new.has_own and owner_of(rec[OWNER]) >= new.own_room then return 'Q' end
    if count(SCHEDULED) + count(ENQUEUED) >= new.room then return 'F' end
  end

  function new_job(head)
    local id, state, after, lead, room, has_own, own_room, flags, worth, spacing, size, version, priority, named =
      struct.unpack(INSERT, head)
    local rec = {
      FORMAT, state, 0, 0, 0, 1, NONE, NONE, now, after, now, lead, NOBODY, string.rep('\0', 12),
      now, worth, spacing, size, version, priority, named, struct.pack('>i8', now) .. string.sub(head, KEPT),
    }
    rec[ID] = id
    if named > 0 then names(rec) end
    return { record = rec, room = room, has_own = has_own == 1, own_room = own_room, flags = flags }
  end

  function insert(new)
    local rec = new.record
    if known[rec[ID]] ~= MISSING then return existing(known[rec[ID]]) end
    local answer = new.key and used(new)
    if answer then return answer end
    local other = live(rec)
    if other and new.replace and other[STATE] <= ENQUEUED then
      -- It has that one's room.
      apply(other, new.replace, nil, new.progress, new.part)
    elseif other then
      put_use(new, other[ID], other[CREATED])
      return existing(other)
    else
      answer = no_room(rec, new)
      if answer then return answer end
    end
    known[rec[ID]] = rec
    touch(rec)
    came(rec, true)
    add('a', rec[ID], 0)
    versions[rec[FLOW_VERSION]] = true
    if rec[UNIQUE] then set_field('n', rec[UNIQUE], rec[ID]) end
    put('r' .. rec[ID], new.request)
    put_use(new, rec[ID], now)
    return 'C'
  end
end
