"""Everything durable about usage: the meter, the store, the reporter."""
