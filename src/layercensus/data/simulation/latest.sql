-- Clusters that report on this day and on none that was looked at before: days are looked at from the last one back.
INSERT INTO latest
SELECT
  place,
  true_clean,
  true_extensions,
  true_overrides,
  true_packages,
  unknown
FROM today
WHERE place NOT IN (SELECT place FROM latest)
