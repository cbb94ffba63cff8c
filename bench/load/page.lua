-- From an authorization request to its page, over a redirect where there is one; one connection a thread.
-- A page at a path of its own asks for the cookie `plan.cookie` with the last part of that path: wrk shows a script but
-- one of several Set-Cookie headers.
dofile(os.getenv("BENCH_LOAD") .. "/report.lua")
local plan = dofile(os.getenv("BENCH_PLAN"))
local location
failed = 0

function request()
  if location then return wrk.format("GET", location, { ["Cookie"] = plan.cookie .. location:match("[^/]+$") }) end
  return wrk.format("GET", plan.path, plan.headers)
end

function response(status, headers, body)
  location = nil
  if status == 200 then
    if not body:find("<form", 1, true) then failed = failed + 1 end
    return
  end
  location = headers["location"] or headers["Location"]
  if not location then failed = failed + 1 end
end
