-- Holds a request until the router's waker says what became of its app: `ready` (with address, port and name of a replica),
-- `failed`, `paused` or `late`. The body stays unread: HAProxy takes no more of it than its buffer holds. `away`: no router answered.
local ADDRESS, HELD_SECONDS = "@ADDRESS@", @HELD_SECONDS@
local TRIES, PAUSE_MS = 40, 250

-- nil: nobody listens there; "": the router ended, or did not answer in time.
local function ask(question, seconds)
    local socket = core.tcp()
    socket:settimeout(seconds)
    if not socket:connect(ADDRESS) then
        return nil
    end
    local line = ""
    if socket:send(question .. "\n") then
        line = socket:receive("*l") or ""
    end
    socket:close()
    return line
end

-- A router that starts anew is asked again, as often as `tries` says; the app may have come up without it.
local function hold(txn, tries, more)
    local backend = txn:get_var("txn.backend")
    local question = backend .. " " .. txn:get_var("txn.host") .. more
    local deadline = core.now().sec + HELD_SECONDS
    local refused = 0
    while true do
        local left = deadline - core.now().sec
        if left <= 0 then
            return "away"
        end
        local line = ask(question, left)
        if line and line ~= "" then
            return line
        end
        refused = line and 0 or refused + 1
        if refused >= tries then
            return "away"
        end
        core.msleep(PAUSE_MS)
        if txn.f:nbsrv(backend) > 0 then
            return "ready"
        end
    end
end

local function note(txn, line)
    local word, address, port, name = line:match("^(%S+) (%S+) (%d+) (%S+)$")
    txn:set_var("txn.woken", word or line)
    if word then
        txn:set_var("txn.address", address)
        txn:set_var("txn.port", tonumber(port))
        txn:set_var("txn.replica", name)
    end
end

core.register_action("wake", { "http-req" }, function(txn)
    note(txn, hold(txn, TRIES, ""))
end)

-- For a worker that a reload replaced, whose servers are those of before. Without a router it has no others.
core.register_action("place", { "http-req" }, function(txn)
    local line = hold(txn, 1, " place")
    if line ~= "away" then
        note(txn, line)
    end
end)
