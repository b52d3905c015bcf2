"""Amazon reviews of 2023, a data set a category: the files that hold only ids, ratings and times.

Categories, rounded counts and layout: https://amazon-reviews-2023.github.io/ and
https://huggingface.co/datasets/McAuley-Lab/Amazon-Reviews-2023, whose files "0core, rating only" these are. The counts
are of reviews; the files have one row for each user and product, a few less. Nobody publishes checksums of them, and
those that programs have recorded differ.
"""

from __future__ import annotations

from recsys.catalogue.types import Download, FileLayout, Release
from recsys.columns import MOVIE, RATING, TIMESTAMP, USER

_ADDRESS = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023/benchmark/0core/rating_only/"

# the file, then users, products and ratings as the publisher rounds them
_CATEGORIES = (
    ("All_Beauty", "632.0K", "112.6K", "701.5K"),
    ("Amazon_Fashion", "2.0M", "825.9K", "2.5M"),
    ("Appliances", "1.8M", "94.3K", "2.1M"),
    ("Arts_Crafts_and_Sewing", "4.6M", "801.3K", "9.0M"),
    ("Automotive", "8.0M", "2.0M", "20.0M"),
    ("Baby_Products", "3.4M", "217.7K", "6.0M"),
    ("Beauty_and_Personal_Care", "11.3M", "1.0M", "23.9M"),
    ("Books", "10.3M", "4.4M", "29.5M"),
    ("CDs_and_Vinyl", "1.8M", "701.7K", "4.8M"),
    ("Cell_Phones_and_Accessories", "11.6M", "1.3M", "20.8M"),
    ("Clothing_Shoes_and_Jewelry", "22.6M", "7.2M", "66.0M"),
    ("Digital_Music", "101.0K", "70.5K", "130.4K"),
    ("Electronics", "18.3M", "1.6M", "43.9M"),
    ("Gift_Cards", "132.7K", "1.1K", "152.4K"),
    ("Grocery_and_Gourmet_Food", "7.0M", "603.2K", "14.3M"),
    ("Handmade_Products", "586.6K", "164.7K", "664.2K"),
    ("Health_and_Household", "12.5M", "797.4K", "25.6M"),
    ("Health_and_Personal_Care", "461.7K", "60.3K", "494.1K"),
    ("Home_and_Kitchen", "23.2M", "3.7M", "67.4M"),
    ("Industrial_and_Scientific", "3.4M", "427.5K", "5.2M"),
    ("Kindle_Store", "5.6M", "1.6M", "25.6M"),
    ("Magazine_Subscriptions", "60.1K", "3.4K", "71.5K"),
    ("Movies_and_TV", "6.5M", "747.8K", "17.3M"),
    ("Musical_Instruments", "1.8M", "213.6K", "3.0M"),
    ("Office_Products", "7.6M", "710.4K", "12.8M"),
    ("Patio_Lawn_and_Garden", "8.6M", "851.7K", "16.5M"),
    ("Pet_Supplies", "7.8M", "492.7K", "16.8M"),
    ("Software", "2.6M", "89.2K", "4.9M"),
    ("Sports_and_Outdoors", "10.3M", "1.6M", "19.6M"),
    ("Subscription_Boxes", "15.2K", "641", "16.2K"),
    ("Tools_and_Home_Improvement", "12.2M", "1.5M", "27.0M"),
    ("Toys_and_Games", "8.1M", "890.7K", "16.3M"),
    ("Video_Games", "2.8M", "137.2K", "4.6M"),
)


def _category(file: str, users: str, products: str, ratings: str) -> Release:
    name = f"amazon-{file.lower().removeprefix('amazon_').replace('_', '-')}"
    columns = {USER: "user_id", MOVIE: "parent_asin", RATING: "rating", TIMESTAMP: "timestamp"}
    return Release(
        name=name,
        about=f"Amazon reviews of 2023, {file.replace('_', ' ')}",
        folder=name,
        downloads=(
            Download(
                f"{_ADDRESS}{file}.csv.gz",
                "gz",
                f"{name}/{file}.csv",
                unchecked_because="its publisher gives none",
            ),
        ),
        # times are in milliseconds
        ratings=FileLayout(f"{file}.csv", ",", True, "UTF-8", True, columns=columns, alternatives=(f"{file}.csv.gz",)),
        movies=None,
        terms="McAuley Lab, UC San Diego: no licence is stated; cite the paper: https://amazon-reviews-2023.github.io/",
        reference="Y. Hou, J. Li, Z. He, A. Yan, X. Chen and J. McAuley, Bridging Language and Items for Retrieval and "
        "Recommendation, arXiv:2403.03952, 2024",
        rating_min=1.0,
        rating_max=5.0,
        rating_step=1.0,
        integer_ids=False,
        rough_size=f"{ratings} ratings of {products} products by {users} users",
    )


AMAZON: tuple[Release, ...] = tuple(_category(*category) for category in _CATEGORIES)
"""The 33 categories, in the publisher's order."""

ALIASES = {"amazon-reviews": "amazon-video-games"}
"""Other names. `amazon-reviews` alone is Video Games: small enough to start with, and not too sparse."""
