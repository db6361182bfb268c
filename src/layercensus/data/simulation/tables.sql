-- What a simulated fleet is made from: its clusters (simulate/clusters.py says what each column is), and which release
-- was the newest on each day (simulate/calendar.py); and what was true of each cluster on the day of its last row.
CREATE TABLE clusters (
  place INTEGER,
  cluster_id VARCHAR,
  clone_of INTEGER,
  reports_second INTEGER,
  salt UBIGINT,
  platform VARCHAR,
  clean INTEGER,
  extensions INTEGER,
  overrides INTEGER,
  packages INTEGER,
  elasticity DOUBLE,
  phase DOUBLE,
  rounding DOUBLE,
  pick DOUBLE,
  first_day INTEGER,
  last_day INTEGER,
  pause_first INTEGER,
  pause_last INTEGER,
  missed DOUBLE,
  unknown DOUBLE,
  unseen DOUBLE,
  skew_ms INTEGER,
  is_skewed BOOLEAN,
  upgrades_every INTEGER,
  shift INTEGER,
  days_behind INTEGER,
  tells_version BOOLEAN,
  tells_needs BOOLEAN,
  tells_nodes_expected BOOLEAN,
  needs_agent DOUBLE,
  needs_driver DOUBLE,
  needs_tool DOUBLE,
  needs_override DOUBLE,
  needs_other DOUBLE
);

CREATE TABLE newest (
  on_day INTEGER,
  release VARCHAR,
  since INTEGER,
  last_patch INTEGER
);

CREATE TABLE latest (
  place INTEGER,
  true_clean BIGINT,
  true_extensions BIGINT,
  true_overrides BIGINT,
  true_packages BIGINT,
  unknown BIGINT
);

-- The hash of a day's draws: lowbias32 of Chris Wellons (2018, "Prospecting for hash functions"), 32 bits in and out.
CREATE MACRO stir(x, bits) AS xor(x, x >> bits);

CREATE MACRO lowbias32(x) AS
  stir((stir((stir(x, 16) * 2146121005) & 4294967295, 15) * 2221713035) & 4294967295, 16);

-- Draw number `lane` of a day, as 32 bits. The odd factor is 2^32 divided by the golden ratio.
CREATE MACRO draw_bits(salt, day, lane) AS lowbias32((salt + CAST(2 * day + lane AS UBIGINT) * 2654435769) & 4294967295);
