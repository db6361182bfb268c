-- What is true on the last day of the clusters in `latest`, which has the last row of each of the seven days to it.
SELECT
  SUM(true_clean) AS clean,
  SUM(true_extensions) AS extensions,
  SUM(true_overrides) AS overrides,
  SUM(true_packages) AS packages,
  SUM(latest.unknown) AS unknown,
  COUNT(*) AS reporting,
  (SELECT COUNT(*) FROM clusters) - COUNT(*) AS silent,
  COUNT_IF(is_skewed) AS skewed,
  COUNT(clone_of) AS clone_pairs
FROM latest
INNER JOIN clusters
  ON latest.place = clusters.place
