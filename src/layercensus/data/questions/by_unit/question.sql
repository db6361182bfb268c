-- Additive sums over units, from the rows of one day's population.
WITH asked AS (
  SELECT
    counted_days.*,
    CASE :dimension
      WHEN 'all' THEN 'all'
      WHEN 'release' THEN COALESCE(release, 'unknown')
      WHEN 'cell' THEN COALESCE(release, 'unknown')
      WHEN 'platform' THEN COALESCE(platform, 'unknown')
      WHEN 'account_class' THEN COALESCE(account_class, 'unknown')
      WHEN 'age' THEN CASE WHEN first_day > CAST(:as_of AS DATE) - INTERVAL '7' DAY THEN 'young' ELSE 'established' END
    END AS group_key,
    CASE WHEN :dimension = 'cell' THEN COALESCE(platform, 'unknown') END AS second_key
  FROM counted_days
  LEFT JOIN (
    SELECT cluster_id AS known_id, first_day FROM known_clusters WHERE signal = :signal AND :dimension = 'age'
  ) AS firsts ON counted_days.cluster_id = known_id
  WHERE signal = :signal
    AND on_day = CAST(:as_of AS DATE)
    AND :dimension <> 'internal'
  UNION ALL
  SELECT
    internal_days.*,
    'internal' AS group_key,
    NULL AS second_key
  FROM internal_days
  WHERE signal = :signal
    AND on_day = CAST(:as_of AS DATE)
    AND :dimension = 'internal'
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
    asked.*,
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
  FROM asked
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

by_units AS (
  SELECT
    group_key,
    second_key,
    numerator,
    unit,
    COUNT(*) AS clusters,
    COUNT(CASE WHEN measured.x > 0 THEN 1 END) AS clusters_classified,
    COUNT(CASE WHEN measured.y > 0 THEN 1 END) AS clusters_with,
    SUM(measured.x) AS x,
    SUM(measured.y) AS y,
    SUM(measured.u) AS u,
    SUM(nodes_clean) AS clean,
    SUM(nodes_extensions) AS extensions,
    SUM(nodes_overrides) AS overrides
  FROM measured
  WHERE :numerator IN ('every', numerator)
  GROUP BY group_key, second_key, numerator, unit
)

SELECT
  group_key,
  second_key,
  numerator,
  CAST(SUM(by_units.clusters) AS BIGINT) AS clusters,
  CAST(SUM(by_units.clusters_classified) AS BIGINT) AS clusters_classified,
  CAST(SUM(by_units.clusters_with) AS BIGINT) AS clusters_with,
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
  CAST(SUM(by_units.clean) AS BIGINT) AS clean,
  CAST(SUM(by_units.extensions) AS BIGINT) AS extensions,
  CAST(SUM(by_units.overrides) AS BIGINT) AS overrides
FROM by_units
GROUP BY group_key, second_key, numerator
ORDER BY group_key, second_key, numerator
