-- What is wrong or missing behind the headline, in one row.
WITH -- population rule: a cluster counts with its last row of the seven days to :as_of
recent AS (
  SELECT
    cluster_days.*,
    ROW_NUMBER() OVER (PARTITION BY cluster_id ORDER BY day DESC) AS recency
  FROM cluster_days
  WHERE signal = :signal
    AND day >= CAST(:as_of AS DATE) - INTERVAL '6' DAY
    AND day <= CAST(:as_of AS DATE)
),

counted AS (
  SELECT
    recent.*,
    CASE
      WHEN signal = 'mcd' THEN proxy_none + proxy_unsupported
      ELSE nodes_clean + nodes_extensions + nodes_overrides + nodes_packages
    END AS classified,
    CASE WHEN signal = 'mcd' THEN proxy_unknown ELSE nodes_unknown END AS unread,
    CASE WHEN signal = 'mcd' THEN proxy_unsupported ELSE nodes_packages END AS with_packages
  FROM recent
  WHERE recency = 1
),

active AS (
  SELECT
    counted.*,
    CASE
      WHEN nodes_expected > classified + unread THEN nodes_expected - classified - unread
      ELSE 0
    END AS unseen
  FROM counted
),

heard AS (
  SELECT
    COUNT(DISTINCT cluster_id) AS clusters_heard
  FROM cluster_days
  WHERE signal = :signal
    AND day <= CAST(:as_of AS DATE)
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
  COUNT(cluster_id) AS without_account,
  0 AS accounts_active
FROM heard
LEFT JOIN active ON 1 = 1
