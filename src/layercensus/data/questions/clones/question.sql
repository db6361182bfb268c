-- Clusters that say word for word the same as another one, and clusters that say two things in turn.
WITH recent AS (
  SELECT
    cluster_days.*,
    EXTRACT(DAY FROM cluster_days.day) AS moment,
    nodes_clean + nodes_extensions + nodes_overrides + nodes_packages + nodes_unknown AS machines_seen
  FROM cluster_days
  WHERE signal = :signal
    AND cluster_days.day > CAST(:before AS DATE)
    AND cluster_days.day <= CAST(:as_of AS DATE)
    AND NOT EXISTS (
      SELECT 1
      FROM accounts
      WHERE accounts.cluster_id = cluster_days.cluster_id
        AND is_internal
    )
),

histories AS (
  SELECT
    recent.cluster_id AS told_by,
    COUNT(*) AS days_told,
    MIN(version) AS first_version,
    MAX(version) AS last_version,
    MIN(platform) AS told_platform,
    SUM(nodes_clean) AS clean_0,
    SUM(nodes_clean * moment) AS clean_1,
    SUM(nodes_clean * moment * moment) AS clean_2,
    SUM(nodes_extensions) AS extensions_0,
    SUM(nodes_extensions * moment) AS extensions_1,
    SUM(nodes_extensions * moment * moment) AS extensions_2,
    SUM(nodes_overrides) AS overrides_0,
    SUM(nodes_overrides * moment) AS overrides_1,
    SUM(nodes_overrides * moment * moment) AS overrides_2,
    SUM(nodes_packages) AS packages_0,
    SUM(nodes_packages * moment) AS packages_1,
    SUM(nodes_packages * moment * moment) AS packages_2,
    SUM(nodes_unknown) AS unknown_0,
    SUM(nodes_unknown * moment) AS unknown_1,
    SUM(nodes_unknown * moment * moment) AS unknown_2,
    SUM(nodes_expected) AS expected_0
  FROM recent
  GROUP BY recent.cluster_id
  HAVING COUNT(*) >= 14
    AND MIN(machines_seen) >= 20
    AND MAX(machines_seen) - MIN(machines_seen) >= 2
),

equal_ones AS (
  SELECT
    told_by,
    COUNT(*) OVER (
      PARTITION BY days_told, first_version, last_version, told_platform, expected_0,
        clean_0, clean_1, clean_2, extensions_0, extensions_1, extensions_2, overrides_0, overrides_1,
        overrides_2, packages_0, packages_1, packages_2, unknown_0, unknown_1, unknown_2
    ) AS alike
  FROM histories
),

versions AS (
  SELECT
    recent.cluster_id AS spoken_by,
    version,
    MIN(recent.day) AS first_said,
    MAX(recent.day) AS last_said
  FROM recent
  WHERE version IS NOT NULL
  GROUP BY recent.cluster_id, version
),

found AS (
  SELECT told_by AS found_id
  FROM equal_ones
  WHERE alike > 1
  UNION
  SELECT one.spoken_by
  FROM versions AS one
  JOIN versions AS other ON one.spoken_by = other.spoken_by
    AND one.version <> other.version
    AND one.first_said < other.first_said
    AND one.last_said > other.last_said
)

SELECT COUNT(*) AS suspected
FROM found
JOIN counted_days ON found_id = counted_days.cluster_id
WHERE signal = :signal
  AND on_day = CAST(:as_of AS DATE)
