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

-- What each said of each version, in one pass over the rows; all else is made of this.
told AS (
  SELECT
    recent.cluster_id AS told_by,
    version AS told_version,
    MIN(recent.day) AS first_said,
    MAX(recent.day) AS last_said,
    COUNT(*) AS days_told,
    MIN(platform) AS told_platform,
    MIN(machines_seen) AS fewest,
    MAX(machines_seen) AS most,
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
  GROUP BY recent.cluster_id, version
),

histories AS (
  SELECT
    told.told_by AS history_of,
    SUM(days_told) AS days_told,
    MIN(told_version) AS first_version,
    MAX(told_version) AS last_version,
    MIN(told_platform) AS told_platform,
    SUM(clean_0) AS clean_0,
    SUM(clean_1) AS clean_1,
    SUM(clean_2) AS clean_2,
    SUM(extensions_0) AS extensions_0,
    SUM(extensions_1) AS extensions_1,
    SUM(extensions_2) AS extensions_2,
    SUM(overrides_0) AS overrides_0,
    SUM(overrides_1) AS overrides_1,
    SUM(overrides_2) AS overrides_2,
    SUM(packages_0) AS packages_0,
    SUM(packages_1) AS packages_1,
    SUM(packages_2) AS packages_2,
    SUM(unknown_0) AS unknown_0,
    SUM(unknown_1) AS unknown_1,
    SUM(unknown_2) AS unknown_2,
    SUM(expected_0) AS expected_0
  FROM told
  GROUP BY told.told_by
  HAVING SUM(days_told) >= 14
    AND MIN(fewest) >= 20
    AND MAX(most) - MIN(fewest) >= 2
),

equal_ones AS (
  SELECT
    history_of,
    COUNT(*) OVER (
      PARTITION BY days_told, first_version, last_version, told_platform, expected_0,
        clean_0, clean_1, clean_2, extensions_0, extensions_1, extensions_2, overrides_0, overrides_1,
        overrides_2, packages_0, packages_1, packages_2, unknown_0, unknown_1, unknown_2
    ) AS alike
  FROM histories
),

found AS (
  SELECT history_of AS found_id
  FROM equal_ones
  WHERE alike > 1
  UNION
  SELECT one.told_by
  FROM told AS one
  JOIN told AS other ON one.told_by = other.told_by
    AND one.told_version <> other.told_version
    AND one.first_said < other.first_said
    AND one.last_said > other.last_said
)

SELECT COUNT(*) AS suspected
FROM found
JOIN counted_days ON found_id = counted_days.cluster_id
WHERE signal = :signal
  AND on_day = CAST(:as_of AS DATE)
