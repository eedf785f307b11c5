-- Writes a line when the origin has answered 101.
core.register_action("log_accept", { "http-res" }, function(txn)
  txn:Info(string.format('{"ev":"accept","id":"%s","svc":"%s","client":"%s"}',
    txn:get_var("txn.uid"), txn:get_var("txn.svc"), txn.sf:src()))
end)
