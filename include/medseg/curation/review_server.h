/// \file
/// The review page and its API, on the http room: sign in, records one by one, pictures with their
/// own values, decisions. Nothing is served without a session but the page and the sign-in.
///
///   POST   /api/login                 {"name", "password"} → {"name", "role", "csrf"}
///   POST   /api/logout
///   GET    /api/me                    who is signed in, the reasons of a rejection
///   GET    /api/next?after=N          {"position"} or {"position": null}; with the progress
///   GET    /api/records/N             turns, masks as runs, standing, draft
///   GET    /api/records/N/slices/K    float32 values of slice K, rows from the top, little-endian;
///                                     K is 0 for a picture; 8-bit RGB where it has colours
///   PUT    /api/records/N/draft       {"state"}: kept for a reload
///   POST   /api/records/N/decisions   {"action", "seen", "seconds", "reason", "comment", "turns",
///                                     "masks"}; 409 where another change came first
///   GET    /api/agreement             for adjudicators
///
/// Every change needs the header X-CSRF-Token. A mask is {"size": [height, width], "runs": […]}:
/// run lengths by rows, background first. Adjudicators see the readers' versions as "others".
#pragma once

#include <memory>

#include "medseg/curation/readers.h"
#include "medseg/curation/review_store.h"
#include "medseg/http/router.h"

namespace medseg {

/// The routes of a review. The references must outlive the router.
Router review_routes(ReviewStore& store, const Readers& readers);

/// A mask as run lengths by rows, background first, and back. \throws DataError on runs that do not
/// add up to the size.
nlohmann::json runs_of(const Mask& mask);
Mask mask_of_runs(const nlohmann::json& runs);

}  // namespace medseg
