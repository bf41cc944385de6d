-- The atomic steps of the store. Each function works on one shard: KEYS[1] is its tag, and all of its keys
-- begin with it, so that they lie in one slot of a cluster.
--
--   TAG:state     hash    seq, quantization, last_indexed_at, forgotten, switched
--   TAG:v         vector set of "ID#ORDINAL", with attributes for filters
--   TAG:d:ID      hash    s state (L live, D deleted, P purged), v version, q seq, i indexed_at, o operation,
--                         and of a live one: m content, x text, a filter attributes, c ordinals, n chunks,
--                         r version and trace of its event,
--                         and of each chunk h<ordinal> hash, t<ordinal> text, e<ordinal> embedding
--   TAG:feed      stream  "SEQ-0" -> d id, s state, v version, i indexed_at; a document stands once
--   TAG:age       zset    live documents by updated_at
--   TAG:deleted   zset    tombstones by updated_at
--   TAG:gone      zset    deleted and purged documents by the time of their removal
--   TAG:counts    hash    chunks for each value that a filter may ask for
--   TAG:writer:W  string  number of the writer's last operation here, or "lost"
--   TAG:sealed    string  while a rebuild holds the writers back
--
-- A version is a string of fixed width: revision and time, zero-padded, so that comparing strings compares
-- versions. Lua's numbers would round revisions above 2^53.

local WRITER_SECONDS = 7 * 86400
local FIELDS_AT_ONCE = 1000  -- a long document has more than Lua's stack has room for
local BUILD_EF, LINKS = 200, 32  -- links: a third less search effort for the same recall than 16

local function readable(tag)
  local seq, switched = unpack(redis.call('HMGET', tag .. ':state', 'seq', 'switched'))
  if not seq then error({err = 'GONE the shard has no state'}) end
  if switched then error({err = 'SWITCHED to another generation'}) end
  return tonumber(seq)
end

local function writable(tag)
  readable(tag)
  if redis.call('EXISTS', tag .. ':sealed') == 1 then error({err = 'SEALED by a rebuild'}) end
end

-- Each operation names the one before it. If that one is not there, a failover or a restart lost it.
local function note(tag, writer, previous, number)
  local key = tag .. ':writer:' .. writer
  local known = redis.call('GET', key) or '0'
  if known == 'lost' or tonumber(known) < tonumber(previous) then
    number = 'lost'
  elseif tonumber(known) > tonumber(number) then
    number = known
  end
  redis.call('SET', key, number, 'EX', WRITER_SECONDS)
end

local function load_document(tag, id)
  local key = tag .. ':d:' .. id
  local state, version, operation, seq, ordinals, attributes, chunks =
    unpack(redis.call('HMGET', key, 's', 'v', 'o', 'q', 'c', 'a', 'n'))
  return {
    id = id, key = key, state = state, version = version, operation = operation, seq = seq,
    ordinals = ordinals or '', attributes = attributes, chunks = tonumber(chunks or 0),
  }
end

-- 'A' applied, 'D' duplicate, 'S' stale. An operation that is sent again because its answer was lost gets
-- the answer that it had.
local function judge(document, version, operation)
  if not document.state or document.state == 'P' or version > document.version then return 'A' end
  if version == document.version then return 'D', document.operation == operation end
  return 'S'
end

local function count(tag, attributes, chunks)
  if not attributes or chunks == 0 then return end
  for name, value in pairs(cjson.decode(attributes)) do
    if name ~= 't' then
      redis.call('HINCRBY', tag .. ':counts', name .. string.format('%.0f', value), chunks)
    end
  end
end

local function forget_chunk(tag, document, ordinal)
  redis.call('VREM', tag .. ':v', document.id .. '#' .. ordinal)
  redis.call('HDEL', document.key, 'h' .. ordinal, 't' .. ordinal, 'e' .. ordinal)
end

local function append(tag, document, state, version, now, operation)
  local seq = redis.call('HINCRBY', tag .. ':state', 'seq', 1)
  redis.call('HSET', tag .. ':state', 'last_indexed_at', now)
  if document.seq then redis.call('XDEL', tag .. ':feed', document.seq .. '-0') end
  redis.call('XADD', tag .. ':feed', seq .. '-0',
    'd', document.id, 's', state, 'v', version, 'i', now)
  redis.call('HSET', document.key, 's', state, 'v', version, 'q', seq, 'i', now, 'o', operation)
end

local function clear(tag, document, state, version, updated_at, now, operation)
  count(tag, document.attributes, -document.chunks)
  for ordinal in string.gmatch(document.ordinals, '[^,]+') do
    redis.call('VREM', tag .. ':v', document.id .. '#' .. ordinal)
  end
  redis.call('DEL', document.key)
  append(tag, document, state, version, now, operation)
  redis.call('ZREM', tag .. ':age', document.id)
  redis.call('ZADD', tag .. ':gone', now, document.id)
  if state == 'D' then
    redis.call('ZADD', tag .. ':deleted', updated_at, document.id)
  else
    redis.call('ZREM', tag .. ':deleted', document.id)
  end
end

-- The trace of the event that brought this version. Software that does not know of it leaves that of another.
local function trace_of(version, noted)
  if not noted or string.sub(noted, 1, #version) ~= version then return '' end
  return string.sub(noted, #version + 1)
end

-- ARGV: writer previous number now id version updated_at content text attributes trace,
--       and for each chunk in order of ordinals: ordinal hash text embedding ('' = reuse by hash)
local function put(keys, args)
  local tag = keys[1]
  local writer, previous, number, now, id, version, updated_at, content, text, attributes, trace =
    unpack(args, 1, 11)  -- a long document has more arguments than Lua's stack has room for
  local operation = writer .. ':' .. number
  writable(tag)
  note(tag, writer, previous, number)
  local document = load_document(tag, id)
  local outcome, repeated = judge(document, version, operation)
  if repeated then return 'A' end
  if outcome ~= 'A' then return outcome end

  local hash_at, ordinal_of = {}, {}
  for ordinal in string.gmatch(document.ordinals, '[^,]+') do
    local hash = redis.call('HGET', document.key, 'h' .. ordinal)
    hash_at[ordinal] = hash
    ordinal_of[hash] = ordinal
  end
  local chunks, kept, ordinals = {}, {}, {}
  for i = 12, #args, 4 do
    local ordinal, hash, embedding = args[i], args[i + 1], args[i + 3]
    local unchanged = false
    if embedding == '' then
      local from = hash_at[ordinal] == hash and ordinal or ordinal_of[hash]
      if not from then return 'U' end
      unchanged = from == ordinal
      embedding = redis.call('HGET', document.key, 'e' .. from)
    end
    unchanged = unchanged
      or (hash_at[ordinal] and redis.call('HGET', document.key, 'e' .. ordinal) == embedding)
    chunks[#chunks + 1] = {ordinal, hash, args[i + 2], embedding, unchanged}
    kept[ordinal] = true
    ordinals[#ordinals + 1] = ordinal
  end

  for ordinal in pairs(hash_at) do
    if not kept[ordinal] then forget_chunk(tag, document, ordinal) end
  end
  local quantization = redis.call('HGET', tag .. ':state', 'quantization')
  for _, chunk in ipairs(chunks) do
    local ordinal, hash, chunk_text, embedding, unchanged = unpack(chunk)
    local element = id .. '#' .. ordinal
    redis.call('HSET', document.key, 'h' .. ordinal, hash, 't' .. ordinal, chunk_text)
    if unchanged then
      redis.call('VSETATTR', tag .. ':v', element, attributes)
    else
      redis.call('HSET', document.key, 'e' .. ordinal, embedding)
      -- Redis 8.2 keeps a VADD of an element that exists from replicas and from the append-only file.
      if hash_at[ordinal] then redis.call('VREM', tag .. ':v', element) end
      redis.call('VADD', tag .. ':v', 'FP32', embedding, element, quantization, 'EF', BUILD_EF, 'M', LINKS,
        'SETATTR', attributes)
    end
  end
  count(tag, document.attributes, -document.chunks)
  count(tag, attributes, #chunks)
  redis.call('HSET', document.key, 'm', content, 'x', text, 'a', attributes,
    'c', table.concat(ordinals, ','), 'n', #chunks, 'r', version .. trace)
  append(tag, document, 'L', version, now, operation)
  redis.call('ZADD', tag .. ':age', updated_at, id)
  redis.call('ZREM', tag .. ':deleted', id)
  redis.call('ZREM', tag .. ':gone', id)
  return 'A'
end

-- ARGV: writer previous number now id version updated_at
local function remove(keys, args)
  local tag = keys[1]
  local writer, previous, number, now, id, version, updated_at = unpack(args)
  local operation = writer .. ':' .. number
  writable(tag)
  note(tag, writer, previous, number)
  local document = load_document(tag, id)
  local outcome, repeated = judge(document, version, operation)
  if repeated then return 'A' end
  if outcome == 'A' then
    clear(tag, document, 'D', version, updated_at, now, operation)
  end
  return outcome
end

-- ARGV: writer previous number now, and for each document: id version
local function purge(keys, args)
  local tag = keys[1]
  local writer, previous, number, now = unpack(args)
  local operation = writer .. ':' .. number
  writable(tag)
  note(tag, writer, previous, number)
  local removed = 0
  for i = 5, #args, 2 do
    local id, version = args[i], args[i + 1]
    local document = load_document(tag, id)
    if document.state == 'L' and document.version == version then
      clear(tag, document, 'P', version, nil, now, operation)
      removed = removed + 1
    elseif document.state == 'P' and document.operation == operation then
      removed = removed + 1
    end
  end
  return removed
end

-- ARGV: writer previous number removed_before limit
local function expire(keys, args)
  local tag = keys[1]
  local writer, previous, number, removed_before, limit = unpack(args)
  writable(tag)
  note(tag, writer, previous, number)
  local ids = redis.call('ZRANGE', tag .. ':gone', '-inf', '(' .. removed_before, 'BYSCORE', 'LIMIT', 0, limit)
  local forgotten = tonumber(redis.call('HGET', tag .. ':state', 'forgotten'))
  for _, id in ipairs(ids) do
    local key = tag .. ':d:' .. id
    local seq = redis.call('HGET', key, 'q')
    redis.call('DEL', key)
    redis.call('XDEL', tag .. ':feed', seq .. '-0')
    redis.call('ZREM', tag .. ':gone', id)
    redis.call('ZREM', tag .. ':deleted', id)
    forgotten = math.max(forgotten, tonumber(seq))
  end
  redis.call('HSET', tag .. ':state', 'forgotten', string.format('%.0f', forgotten))
  return #ids
end

-- Every chunk of the live documents of a time range, if those are at most limit chunks.
-- ARGV: since until limit (scores of a sorted set)
-- Returns {1 if there are more, seq, documents as JSON: [[id, filter attributes, ordinals], ...], embeddings of
-- all chunks one behind the other}: in few strings, because a client takes longer for many than we do
local function gather(keys, args)
  local tag = keys[1]
  local seq = readable(tag)
  local limit = tonumber(args[3])
  local ids = redis.call('ZRANGE', tag .. ':age', args[1], args[2], 'BYSCORE', 'LIMIT', 0, limit + 1)
  if #ids > limit then return {1} end
  local documents, embeddings = {}, {}
  for _, id in ipairs(ids) do
    local key = tag .. ':d:' .. id
    local ordinals, attributes = unpack(redis.call('HMGET', key, 'c', 'a'))
    if ordinals ~= '' then documents[#documents + 1] = {id, attributes, ordinals} end
    for ordinal in string.gmatch(ordinals, '[^,]+') do
      embeddings[#embeddings + 1] = redis.call('HGET', key, 'e' .. ordinal)
    end
    if #embeddings > limit then return {1} end
  end
  if #documents == 0 then return {0, seq, '[]', ''} end
  return {0, seq, cjson.encode(documents), table.concat(embeddings)}
end

-- For each id what look(key, ordinals) returns for a live document, or nil where it is not live
local function of_live(tag, ids, look)
  readable(tag)
  local found = {}
  for i, id in ipairs(ids) do
    local key = tag .. ':d:' .. id
    local state, ordinals = unpack(redis.call('HMGET', key, 's', 'c'))
    found[i] = state == 'L' and look(key, ordinals)
  end
  return found
end

local function values_of(key, fields)
  local values = {}
  for first = 1, #fields, FIELDS_AT_ONCE do
    local last = math.min(first + FIELDS_AT_ONCE - 1, #fields)
    for _, value in ipairs(redis.call('HMGET', key, unpack(fields, first, last))) do
      values[#values + 1] = value
    end
  end
  return values
end

local function chunk_values(key, ordinals, letter)
  local fields = {}
  for ordinal in string.gmatch(ordinals, '[^,]+') do fields[#fields + 1] = letter .. ordinal end
  return values_of(key, fields)
end

-- What a search needs to judge its candidates, as of one moment: every document that changed after a
-- sequence number, in full, and the wanted chunks of the candidates that did not.
-- ARGV: after limit detail, and for each candidate document: id, ordinals separated by commas
-- Returns {1} if more than limit changed, else {0, ids that changed, documents as JSON, embeddings of all
-- chunks one behind the other}. A document is [id, ordinals], from detail 1 on with version, content and trace,
-- and from detail 2 on with the chunks' texts too.
local function fetch(keys, args)
  local tag = keys[1]
  if readable(tag) < tonumber(args[1]) then return {1} end  -- a failover lost what the search has seen
  local limit, detail = tonumber(args[2]), tonumber(args[3])
  local entries = redis.call('XRANGE', tag .. ':feed', '(' .. args[1] .. '-0', '+', 'COUNT', limit + 1)
  if #entries > limit then return {1} end
  local changed, is_changed, documents, embeddings = {}, {}, {}, {}
  local function add(id, wanted)
    local key = tag .. ':d:' .. id
    local state, ordinals = unpack(redis.call('HMGET', key, 's', 'c'))
    wanted = wanted or ordinals
    if state ~= 'L' or wanted == '' then return end
    local document = {id, wanted}
    if detail >= 1 then
      local version, content, noted = unpack(redis.call('HMGET', key, 'v', 'm', 'r'))
      document[3], document[4], document[5] = version, content, trace_of(version, noted)
    end
    if detail >= 2 then document[6] = chunk_values(key, wanted, 't') end
    documents[#documents + 1] = document
    for _, embedding in ipairs(chunk_values(key, wanted, 'e')) do embeddings[#embeddings + 1] = embedding end
  end
  for _, entry in ipairs(entries) do
    local id = entry[2][2]
    changed[#changed + 1] = id
    is_changed[id] = true
    add(id)
  end
  for i = 4, #args, 2 do
    if not is_changed[args[i]] then add(args[i], args[i + 1]) end
  end
  return {0, changed, #documents > 0 and cjson.encode(documents) or '[]', table.concat(embeddings)}
end

-- ARGV: ids. Returns for each {version, indexed_at, content, text, ordinals, trace, hashes, texts}, or nil
local function read(keys, args)
  return of_live(keys[1], args, function(key, ordinals)
    local document = redis.call('HMGET', key, 'v', 'i', 'm', 'x', 'c', 'r')
    document[6] = trace_of(document[1], document[6])
    document[#document + 1] = chunk_values(key, ordinals, 'h')
    document[#document + 1] = chunk_values(key, ordinals, 't')
    return document
  end)
end

-- ARGV: ids. Returns for each a list of hashes, or nil
local function hashes(keys, args)
  return of_live(keys[1], args, function(key, ordinals) return chunk_values(key, ordinals, 'h') end)
end

-- ARGV: ids. Returns for each the embeddings of its chunks one behind the other, or nil
local function embeddings(keys, args)
  return of_live(keys[1], args, function(key, ordinals)
    return table.concat(chunk_values(key, ordinals, 'e'))
  end)
end

-- ARGV: after limit. Returns {forgotten, entries of the stream}
local function changes(keys, args)
  local tag = keys[1]
  readable(tag)
  return {
    redis.call('HGET', tag .. ':state', 'forgotten'),
    redis.call('XRANGE', tag .. ':feed', '(' .. args[1] .. '-0', '+', 'COUNT', args[2]),
  }
end

-- ARGV: limit. Returns for each of the oldest documents: updated_at, id, version, number of chunks
local function oldest(keys, args)
  local tag = keys[1]
  readable(tag)
  local found = redis.call('ZRANGE', tag .. ':age', 0, args[1] - 1, 'WITHSCORES')
  local rows = {}
  for i = 1, #found, 2 do
    local version, chunks = unpack(redis.call('HMGET', tag .. ':d:' .. found[i], 'v', 'n'))
    rows[#rows + 1] = {found[i + 1], found[i], version, chunks}
  end
  return rows
end

-- Returns documents, chunks, tombstones, newest updated_at of both kinds, last_indexed_at
local function stats(keys)
  local tag = keys[1]
  readable(tag)
  local live = redis.call('ZRANGE', tag .. ':age', -1, -1, 'WITHSCORES')
  local deleted = redis.call('ZRANGE', tag .. ':deleted', -1, -1, 'WITHSCORES')
  return {
    redis.call('ZCARD', tag .. ':age'), redis.call('VCARD', tag .. ':v'),
    redis.call('ZCARD', tag .. ':deleted'), live[2] or false, deleted[2] or false,
    redis.call('HGET', tag .. ':state', 'last_indexed_at'),
  }
end

-- ARGV: writer. Returns the number of its last operation, "lost", or nil
local function written(keys, args)
  readable(keys[1])
  return redis.call('GET', keys[1] .. ':writer:' .. args[1])
end

-- ARGV: quantization. Makes the empty shard, once.
local function create(keys, args)
  local state = keys[1] .. ':state'
  if redis.call('EXISTS', state) == 1 then return 0 end
  redis.call('HSET', state, 'seq', 0, 'forgotten', 0, 'quantization', args[1])
  return 1
end

-- ARGV: limit. Removes a generation that nobody uses, step by step; returns how many documents went.
local function drop(keys, args)
  local tag = keys[1]
  local dropped = 0
  for _, set in ipairs({'age', 'gone'}) do
    local ids = redis.call('ZRANGE', tag .. ':' .. set, 0, args[1] - 1)
    for _, id in ipairs(ids) do redis.call('UNLINK', tag .. ':d:' .. id) end
    if #ids > 0 then redis.call('ZREM', tag .. ':' .. set, unpack(ids)) end
    dropped = dropped + #ids
  end
  if dropped == 0 then
    for _, name in ipairs({'v', 'feed', 'age', 'gone', 'deleted', 'counts', 'sealed', 'state'}) do
      redis.call('UNLINK', tag .. ':' .. name)
    end
  end
  return dropped
end

-- KEYS[1] is any key, here and below. ARGV: token milliseconds. Takes a lease that is free or already ours.
local function lease(keys, args)
  local holder = redis.call('GET', keys[1])
  if holder and holder ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end

-- ARGV: token milliseconds. Prolongs a lease that is still ours.
local function renew(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  return redis.call('PEXPIRE', keys[1], args[2])
end

-- ARGV: token
local function release(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  return redis.call('DEL', keys[1])
end

-- ARGV: expected ('' = absent) value
local function swap(keys, args)
  if (redis.call('GET', keys[1]) or '') ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[2])
  return 1
end

local function register(name, callback, flags)
  redis.register_function{function_name = PREFIX .. name, callback = callback, flags = flags}
end

register('put', put, {})
register('create', create, {})
register('lease', lease, {})
register('swap', swap, {})

-- At the limit of memory, removing is the way out.
register('remove', remove, {'allow-oom'})
register('purge', purge, {'allow-oom'})
register('expire', expire, {'allow-oom'})
register('drop', drop, {'allow-oom'})
register('renew', renew, {'allow-oom'})
register('release', release, {'allow-oom'})

register('fetch', fetch, {'no-writes'})
register('gather', gather, {'no-writes'})
register('read', read, {'no-writes'})
register('hashes', hashes, {'no-writes'})
register('embeddings', embeddings, {'no-writes'})
register('changes', changes, {'no-writes'})
register('oldest', oldest, {'no-writes'})
register('stats', stats, {'no-writes'})
register('written', written, {'no-writes'})
