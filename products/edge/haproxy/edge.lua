-- Says on the log socket what was accepted or refused, and by whom: HAProxy 2.6 itself
-- logs a request only at its end. Written for HAProxy's Lua 5.3.

local MOST_PATH = 4000
local MOST_FIELDS = 6000 -- of the line, so that it fits into one buffer

-- Of this hop, or the edge's own business: no Connection field takes them away.
local PROTECTED = {
  ["connection"] = true, ["upgrade"] = true, ["host"] = true,
  ["content-length"] = true, ["transfer-encoding"] = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
}

local function quoted(text, most)
  local escaped = string.gsub(string.sub(text, 1, most), '[%c"\\\127-\255]', function(c)
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

local function asked_fields(headers, asked)
  local fields = {}
  local room = MOST_FIELDS
  for name in string.gmatch(asked, "[^,]+") do
    if headers[name] then
      local field = quoted(name, 200) .. ":" .. quoted(joined(headers[name]), 2000)
      if #field <= room then
        room = room - #field
        fields[#fields + 1] = field
      end
    end
  end
  return table.concat(fields, ",")
end

local function drop_nominated(txn, headers)
  if not headers["connection"] then return end
  for token in string.gmatch(string.lower(joined(headers["connection"])), "[^, \t]+") do
    if headers[token] and not PROTECTED[token]
      and string.sub(token, 1, 14) ~= "sec-websocket-" then
      txn.http:req_del_header(token)
    end
  end
end

-- Keeps what the lines will say of the request, before any rule changes it.
core.register_action("note", { "http-req" }, function(txn)
  local headers = txn.http:req_get_headers()
  txn:set_var("txn.head", string.format(
    '"client":%s,"method":%s,"host":%s,"path":%s,"fields":{%s}',
    quoted(tostring(txn.f:src()), 64),
    quoted(txn.f:method(), 32),
    quoted(txn:get_var("txn.host"), 255),
    quoted(txn.f:path() or "*", MOST_PATH),
    asked_fields(headers, txn:get_var("txn.fields") or "")))
  drop_nominated(txn, headers)
end)

-- Writes a line: accept, request or refused.
core.register_action("say", { "http-req", "http-res" }, function(txn, event)
  -- The wall clock: core.now() falls behind it for good where the machine once stood still.
  txn:Info(string.format(
    '{"ev":"%s","id":"%s","svc":"%s","at":%d,%s}', event, txn:get_var("txn.uid"),
    txn:get_var("txn.svc"), txn.f:date(0, "us"), txn:get_var("txn.head")))
end, 1)
