"""Words that titles of generated movies are made of."""


def _words(text: str) -> list[str]:
    return [word.replace("_", " ") for word in text.split()]


ADJECTIVES = _words("""
    Absent Amber Ancient Autumn Bitter Black Blind Blue Borrowed Bright Broken Burning Careless Cold Crimson
    Crooked Crystal Dancing Dark Deep Distant Double Electric Empty Endless Eternal Fallen Familiar Fatal Final
    First Flying Forbidden Forgotten Frozen Gentle Ghostly Gilded Glass Golden Good Great Green Half Happy
    Haunted Heavy Hidden Hollow Honest Hungry Innocent Invisible Iron Last Little Lonely Long Lost Lucky Mad
    Magnificent Midnight Missing Naked Narrow Nameless New Old Open Painted Pale Paper Perfect Perpetual Private
    Quiet Red Restless Rising Running Sacred Savage Scarlet Second Secret Seventh Shallow Silent Silver Sleeping
    Small Stolen Strange Sudden Sweet Tall Tender Third Tiny Traitorous Twisted Ugly Unfinished Unknown Velvet
    Violent Wandering White Wicked Wild Winter Wooden Wounded Yellow Young
""")

NOUNS = _words("""
    Affair Afternoon Alibi Angel Apartment Architect Army Balloon Bandit Bargain Beast Bell Bird Boat Border
    Bride Bridge Brother Butcher Cage Candle Captain Caravan Carnival Castle Cathedral Child Circus City Clock
    Colony Corridor Country Cowboy Crown Dance Daughter Dawn Day Deal Desert Detective Diamond Diary Divorce
    Doctor Door Dragon Dream Driver Eagle Earth Echo Emperor Enemy Engine Escape Evening Express Eye Family Farm
    Father Fever Field Fire Fisherman Flight Flower Forest Fortune Fox Friend Frontier Fugitive Garden General
    Ghost Giant Girl Guest Guitar Gun Harbor Harvest Heart Heir Hero Highway Honeymoon Horizon Horse Hotel Hour
    House Hunter Husband Illusion Island Jewel Journey Judge Jungle Justice Key Killer King Kingdom Kiss Lady
    Lake Lamp Law Legend Letter Lie Light Lighthouse Lion Lover Machine Magician Man Map Mask Melody Memory
    Mermaid Mirror Monster Moon Morning Mother Mountain Murder Music Mystery Neighbor Night Ocean Orchard Orchid
    Outlaw Palace Parade Passenger Photograph Pirate Planet Poet Prayer Prince Princess Prisoner Promise Queen
    Rain Raven Rebel Rider Ring River Road Robot Rose Sailor Samurai Scandal School Sea Season Shadow Sheriff
    Ship Shore Silence Sister Sky Snow Soldier Song Spider Spring Spy Stage Station Storm Stranger Street Summer
    Sword Tailor Teacher Temple Thief Thunder Tiger Tomb Tower Town Train Traveler Treasure Tree Trial Valley
    Village Violin Visitor Voice Voyage Wall War Wave Wedding Wife Wind Window Witch Witness Wolf Woman World
    Writer Zombie
""")

NAMES = _words("""
    Ada Agnes Albert Alice Amélie Andrei Anna Antônia Arthur Beatriz Björn Boris Bruno Carla Carmen Cecilia
    Charlie Chloé Clara Daniel Dmitri Édith Elena Emil Emma Esther Félix Fiona Frances François Frank Frida
    George Grace Greta Gustav Hana Harriet Harry Helen Henry Hugo Ida Inès Irene Ivan Jack Jacques Jane Jiří
    João Johnny José Joseph Julia Karin Kenji Klaus Laura Léa Leo Lola Louise Lucía Lucy Luigi Magda Marcel
    Margaret María Martin Mary Max Mei Michael Mikhail Molly Nadia Nina Noël Olga Oscar Otto Pablo Paul Pedro
    Peter Pierre Rashid Renée Rosa Ruth Sally Samuel Sarah Sofía Søren Stella Tarō Teresa Théo Thomas Tomáš
    Ursula Vera Victor Walter Wanda Yuki Zoë
""")

PLACES = _words("""
    Algiers Amsterdam Arizona Athens Berlin Bombay Boston Brooklyn Budapest Buenos_Aires Cairo Calcutta
    Casablanca Chicago Dakota Damascus Dublin Edinburgh Florence Hanoi Havana Helsinki Hong_Kong Istanbul
    Jerusalem Kyoto Lisbon London Los_Angeles Madrid Manila Marrakech Mexico Milan Montréal Moscow Nairobi
    Naples New_York Odessa Oslo Paris Prague Rio Rome Saigon San_Francisco São_Paulo Seoul Shanghai Tangier
    Texas Tokyo Utah Venice Vienna Warsaw Zürich
""")

FOREIGN = _words("""
    Abenteuer Adiós Âme Amour Año Château Cœur Corazón Coração Dívka Dröm Été Fenêtre Fille Flicka Forêt
    Fräulein Frühling Garçon Glück Größe Hämnd Hôtel Île Jäger Känsla Kärlek Kobieta König Koşu León Mädchen
    Mañana Märchen Miłość Mujer Müde Nacht Niño Noć Noite Où Père Příběh Señor Smrt Sommaren Søster Straße Tåg
    Tempête Träume Tür Über Vérité Vie Výlet Wahrheit Żona
""")
