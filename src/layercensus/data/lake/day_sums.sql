-- Additive sums of the clusters that count on a day, by signal, release, platform and numerator.
-- Sums of two sets of clusters are the sums of both.
WITH counted AS (
  SELECT
    active.*,
    CASE
      WHEN signal = 'mcd' THEN proxy_none + proxy_unsupported
      ELSE nodes_clean + nodes_extensions + nodes_overrides + nodes_packages
    END AS classified,
    CASE WHEN signal = 'mcd' THEN proxy_unknown ELSE nodes_unknown END AS unread,
    CASE WHEN signal = 'mcd' THEN proxy_unsupported ELSE nodes_packages END AS with_packages
  FROM active
),

seen AS (
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

-- Null where the cluster's signal cannot tell the numerator.
hits AS (
  SELECT
    seen.*,
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
  FROM seen
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
)

SELECT
  on_day,
  signal,
  release,
  platform,
  numerator,
  COUNT(*) AS clusters,
  COUNT(CASE WHEN day = on_day THEN 1 END) AS fresh,
  COUNT(CASE WHEN x > 0 THEN 1 END) AS units,
  COUNT(CASE WHEN y > 0 THEN 1 END) AS units_with,
  SUM(x) AS sum_x,
  SUM(y) AS sum_y,
  SUM(x * x) AS sum_xx,
  SUM(x * y) AS sum_xy,
  SUM(y * y) AS sum_yy,
  SUM(u) AS sum_unknown,
  SUM(x * u) AS sum_xu,
  SUM(y * u) AS sum_yu,
  SUM(u * u) AS sum_uu,
  COUNT(CASE WHEN x + u > 0 THEN 1 END) AS reporters,
  MAX(x) AS max_x,
  CAST(SUM(nodes_clean) AS BIGINT) AS clean,
  CAST(SUM(nodes_extensions) AS BIGINT) AS extensions,
  CAST(SUM(nodes_overrides) AS BIGINT) AS overrides
FROM measured
GROUP BY on_day, signal, release, platform, numerator
