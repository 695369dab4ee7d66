-- New jobs. What the keys were used for that the batch names; for how long those are remembered; the versions of the flow.
local uses, memory, versions = {}, {}, {}

-- Made just where there are any.
local function inserting()
  local made = struct.pack('>i8', now)

  local function put_use(new, id, created)
    if not new.key then return end
    local use = struct.pack(USE_FORMAT, FORMAT, id, created, new.fingerprint, now, new.keep)
    uses[new.key], memory[new.key] = use, whole(new.keep)
    put('i', new.key, use)
  end

  local function existing(id, created)
    return 'E' .. id .. struct.pack('>i8', created)
  end

  local function used(new)
    local use = uses[new.key]
    if not use then return nil end
    local _, id, created, fingerprint, from, keep = struct.unpack(USE_FORMAT, use)
    if from + whole(keep) <= now then return nil end
    if fingerprint ~= new.fingerprint then return 'B' end
    return existing(id, created)
  end

  -- The job that lives under a unique key.
  local function live(rec)
    local id = rec[UNIQUE] and field('n', rec[UNIQUE])
    local other = id and known[id]
    return type(other) == 'table' and is_live(other) and other or nil
  end

  -- How a job is refused for which there is no room.
  local function no_room(rec, new)
    if rec[OWNER] and new.own_room then
      local _, waiting = owner_of(rec)
      if waiting >= new.own_room then return 'Q' end
    end
    if count(SCHEDULED) + count(ENQUEUED) >= new.room then return 'F' end
  end

  local function insert(new)
    local rec = new.record
    local id = rec[ID]
    if known[id] ~= MISSING then return existing(id, known[id][CREATED]) end
    local answer = new.key and used(new)
    if answer then return answer end
    local other = rec[UNIQUE] and live(rec)
    if other and new.replace and other[STATE] <= ENQUEUED then
      -- It has that one's room.
      apply(other, new.replace, nil, new.progress, new.part)
    elseif other then
      put_use(new, other[ID], other[CREATED])
      return existing(other[ID], other[CREATED])
    else
      answer = no_room(rec, new)
      if answer then return answer end
    end
    known[id] = rec
    touch(rec)
    came(rec, true)
    versions[rec[FLOW_VERSION]] = true
    if rec[UNIQUE] then set_field('n', rec[UNIQUE], id) end
    put('r', id, new.request)
    put_use(new, id, now)
    return 'C'
  end

  local function new_job(head)
    local id, state, after, lead, room, has_own, own_room, flags, worth, spacing, size, version, _, named =
      struct.unpack(INSERT_FORMAT, head)
    local rec = {
      state, 0, 0, 0, 1, NO_STAMP, NO_STAMP, now, after, now, lead, NOBODY, NO_TALLY, now, worth, spacing,
      size, version, made .. string.sub(head, KEPT_AT), id, false, false, false, false, false, false,
      false, false, false, false, false,
    }
    if named > 0 then read_names(rec, named) end
    return { record = rec, room = room, own_room = has_own == 1 and own_room, flags = flags }
  end

  return new_job, insert
end
