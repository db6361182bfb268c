-- How the packages are spread: equal clusters together, those with most machines in the numerator first.
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
)

SELECT
  with_packages AS packages_each,
  classified AS classified_each,
  COUNT(*) AS units
FROM active
WHERE classified > 0
GROUP BY with_packages, classified
ORDER BY packages_each DESC, classified_each, units
