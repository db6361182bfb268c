-- What is wrong or missing behind the headline, in one row.
WITH active AS (
  SELECT *
  FROM counted_days
  WHERE signal = :signal
    AND on_day = CAST(:as_of AS DATE)
),

heard AS (
  SELECT
    COUNT(*) AS clusters_heard
  FROM known_clusters
  WHERE signal = :signal
    AND first_day <= CAST(:as_of AS DATE)
)

SELECT
  MAX(clusters_heard) - COUNT(cluster_id) AS silent,
  COUNT(cluster_id) AS reporting,
  COUNT(CASE WHEN day < CAST(:as_of AS DATE) THEN 1 END) AS stale,
  CASE
    WHEN COUNT(skew_seconds) > 0 THEN COUNT(CASE WHEN skew_seconds > 600 OR skew_seconds < -600 THEN 1 END)
  END AS skewed,
  COALESCE(SUM(unread), 0) AS unread_machines,
  CASE WHEN COUNT(nodes_expected) > 0 THEN SUM(unseen) END AS unseen_machines,
  COUNT(CASE WHEN classified = 0 THEN 1 END) AS unread_clusters,
  COUNT(CASE WHEN cluster_id IS NOT NULL AND release IS NULL THEN 1 END) AS unknown_release,
  COUNT(CASE WHEN cluster_id IS NOT NULL AND account IS NULL THEN 1 END) AS without_account,
  COUNT(DISTINCT account) AS accounts_active
FROM heard
LEFT JOIN active ON 1 = 1
