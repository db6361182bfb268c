-- Which releases fell silent as a whole.
SELECT
  earlier.release AS release_before,
  COUNT(*) AS clusters_before,
  COUNT(later_id) AS still_active
FROM counted_days AS earlier
LEFT JOIN (
  SELECT cluster_id AS later_id FROM counted_days WHERE signal = :signal AND on_day = CAST(:as_of AS DATE)
) AS later ON earlier.cluster_id = later_id
WHERE signal = :signal
  AND on_day = CAST(:before AS DATE)
  AND earlier.release IS NOT NULL
GROUP BY earlier.release
ORDER BY earlier.release
