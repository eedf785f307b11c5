-- Logs what was accepted or refused, and for which service: HAProxy 2.6 itself logs a
-- request only at its end. Written for HAProxy's Lua 5.3.
-- The agent replaces the names between @ signs by the values in products/protocol.py.

local MAX_NAME = tonumber("@MAX_HEADER_NAME_LENGTH@")
local MAX_PATH = 4000
local MAX_FIELDS = 6000 -- of the line, so that it fits into one buffer

-- Fields that no Connection field removes.
local PROTECTED = {}
for name in string.gmatch("@PROTECTED_HEADERS@", "[^,]+") do
  PROTECTED[name] = true
end

-- Names are compared with - for _, because many servers read X_Name as X-Name.
local function comparable(name)
  return (string.gsub(string.lower(name), "_", "-"))
end

local function is_protected(name)
  if PROTECTED[name] then return true end
  for prefix in string.gmatch("@PROTECTED_HEADER_PREFIXES@", "[^,]+") do
    if string.sub(name, 1, #prefix) == prefix then return true end
  end
  return false
end

local function quoted(text, max_length)
  local escaped = string.gsub(string.sub(text, 1, max_length), '[%c"\\\127-\255]', function(c)
    return string.format("\\u%04x", string.byte(c))
  end)
  return '"' .. escaped .. '"'
end

local function joined(values)
  local list = {}
  local index = 0
  while values[index] do
    list[#list + 1] = values[index]
    index = index + 1
  end
  return table.concat(list, ", ")
end

local function logged_fields(headers, names)
  local fields = {}
  local left = MAX_FIELDS
  for name in string.gmatch(names, "[^,]+") do
    if headers[name] then
      local field = quoted(name, MAX_NAME) .. ":" .. quoted(joined(headers[name]), 2000)
      if #field <= left then
        left = left - #field
        fields[#fields + 1] = field
      end
    end
  end
  return table.concat(fields, ",")
end

-- Returns the names of the fields that Connection names, and that stay with this hop.
local function nominated(headers)
  local names, tokens = {}, {}
  if not headers["connection"] then return names end
  for token in string.gmatch(joined(headers["connection"]), "[^, \t]+") do
    tokens[comparable(token)] = true
  end
  for name in pairs(headers) do
    if tokens[comparable(name)] and not is_protected(comparable(name)) then
      names[#names + 1] = name
    end
  end
  return names
end

core.register_converters("reversed", string.reverse)

-- Keeps what the lines say about the request, before any rule changes it.
core.register_action("capture", { "http-req" }, function(txn)
  local headers = txn.http:req_get_headers()
  txn:set_var("txn.head", string.format(
    '"client":%s,"method":%s,"host":%s,"path":%s,"fields":{%s}',
    quoted(tostring(txn.f:src()), 64),
    quoted(txn.f:method(), 32),
    quoted(txn:get_var("txn.host"), 255),
    quoted(txn.f:path() or "*", MAX_PATH),
    logged_fields(headers, txn:get_var("txn.fields") or "")))
  for _, name in ipairs(nominated(headers)) do txn.http:req_del_header(name) end
end)

core.register_action("drop_nominated", { "http-res" }, function(txn)
  for _, name in ipairs(nominated(txn.http:res_get_headers())) do
    txn.http:res_del_header(name)
  end
end)

-- Writes a line; the event is accept, request, refused, service_full or account_full.
core.register_action("log", { "http-req", "http-res" }, function(txn, event)
  -- core.now() would stay behind the wall clock after the machine was suspended.
  txn:Info(string.format(
    '{"ev":"%s","id":"%s","svc":"%s","at":%d,%s}', event, txn:get_var("txn.uid"),
    txn:get_var("txn.svc"), txn.f:date(0, "us"), txn:get_var("txn.head")))
end, 1)
