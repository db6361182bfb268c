-- Additive sums over active clusters: of each numerator, for the whole and by one dimension at a time.
-- One output row: one dimension, one key, one numerator. Sums of two sets of clusters are the sums of both.
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

numerators AS (
  SELECT 'packages' AS numerator
  UNION ALL SELECT 'packages_or_overrides'
  UNION ALL SELECT 'any_local_change'
  UNION ALL SELECT 'need_agent'
  UNION ALL SELECT 'need_driver'
  UNION ALL SELECT 'need_tool'
  UNION ALL SELECT 'need_override'
  UNION ALL SELECT 'need_other'
),

dimensions AS (
  SELECT 'all' AS dimension
  UNION ALL SELECT 'release'
  UNION ALL SELECT 'platform'
  UNION ALL SELECT 'cell'
),

-- Null where the cluster's signal cannot tell the numerator.
hits AS (
  SELECT
    active.*,
    numerator,
    CASE numerator
      WHEN 'packages' THEN with_packages
      WHEN 'packages_or_overrides' THEN nodes_packages + nodes_overrides
      WHEN 'any_local_change' THEN nodes_packages + nodes_overrides + nodes_extensions
      WHEN 'need_agent' THEN need_agent
      WHEN 'need_driver' THEN need_driver
      WHEN 'need_tool' THEN need_tool
      WHEN 'need_override' THEN need_override
      WHEN 'need_other' THEN need_other
    END AS hit
  FROM active
  CROSS JOIN numerators
),

-- x and y come from the same machines: a machine of class unknown may have a need too, so y is held to x.
measured AS (
  SELECT
    hits.*,
    CAST(CASE WHEN hit IS NULL THEN 0 ELSE classified END AS DOUBLE) AS x,
    CAST(CASE WHEN hit IS NULL THEN 0 WHEN hit > classified THEN classified ELSE hit END AS DOUBLE) AS y,
    CAST(unread + unseen + CASE WHEN hit IS NULL THEN classified ELSE 0 END AS DOUBLE) AS u
  FROM hits
),

grouped AS (
  SELECT
    measured.*,
    dimension,
    CASE dimension
      WHEN 'release' THEN COALESCE(release, 'unknown')
      WHEN 'cell' THEN COALESCE(release, 'unknown')
      WHEN 'platform' THEN COALESCE(platform, 'unknown')
      ELSE 'all'
    END AS group_key,
    CASE WHEN dimension = 'cell' THEN COALESCE(platform, 'unknown') END AS second_key
  FROM measured
  CROSS JOIN dimensions
)

SELECT
  dimension,
  group_key,
  second_key,
  numerator,
  COUNT(*) AS clusters,
  SUM(CASE WHEN x > 0 THEN 1 ELSE 0 END) AS clusters_classified,
  SUM(CASE WHEN y > 0 THEN 1 ELSE 0 END) AS clusters_with,
  SUM(CASE WHEN x > 0 THEN 1 ELSE 0 END) AS units,
  SUM(CASE WHEN y > 0 THEN 1 ELSE 0 END) AS units_with,
  SUM(x) AS sum_x,
  SUM(y) AS sum_y,
  SUM(x * x) AS sum_xx,
  SUM(x * y) AS sum_xy,
  SUM(y * y) AS sum_yy,
  SUM(u) AS sum_unknown,
  SUM(x * u) AS sum_xu,
  SUM(y * u) AS sum_yu,
  SUM(u * u) AS sum_uu,
  SUM(CASE WHEN x + u > 0 THEN 1 ELSE 0 END) AS reporters,
  MAX(x) AS max_x,
  SUM(nodes_clean) AS clean,
  SUM(nodes_extensions) AS extensions,
  SUM(nodes_overrides) AS overrides
FROM grouped
GROUP BY dimension, group_key, second_key, numerator
ORDER BY dimension, group_key, second_key, numerator
