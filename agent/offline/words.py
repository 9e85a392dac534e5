"""The closed lists of words that the offline model knows: it reads a value only where the value is on a list."""


def listed(text: str) -> dict[str, str]:
    """The names between commas, by their lower-case form."""
    return {name.casefold(): name for name in (" ".join(part.split()) for part in text.split(","))}


CITIES = listed("""
    Accra, Adelaide, Amsterdam, Antwerp, Athens, Atlanta, Auckland, Austin, Baltimore, Bangalore, Bangkok, Barcelona,
    Basel, Beijing, Beirut, Belfast, Belgrade, Bergen, Berlin, Bern, Bogotá, Bologna, Bonn, Bordeaux, Boston,
    Bratislava, Brisbane, Bristol, Brussels, Bucharest, Budapest, Buenos Aires, Cairo, Cape Town, Cardiff, Charlotte,
    Chennai, Chicago, Cleveland, Cologne, Copenhagen, Dallas, Delhi, Denver, Detroit, Dubai, Dublin, Düsseldorf,
    Edinburgh, Florence, Frankfurt, Geneva, Ghent, Glasgow, Gothenburg, Hamburg, Hanoi, Helsinki, Hong Kong, Honolulu,
    Houston, Istanbul, Jakarta, Jerusalem, Johannesburg, Karachi, Kraków, Kuala Lumpur, Kyiv, Kyoto, Lagos, Las Vegas,
    Leeds, Leipzig, Lima, Lisbon, Liverpool, Ljubljana, London, Los Angeles, Luxembourg, Lyon, Madrid, Manchester,
    Manila, Marseille, Melbourne, Mexico City, Miami, Milan, Minneapolis, Montreal, Moscow, Mumbai, Munich, Nairobi,
    Naples, Nashville, New Delhi, New Orleans, New York, Osaka, Oslo, Ottawa, Oxford, Paris, Perth, Philadelphia,
    Pittsburgh, Portland, Porto, Prague, Quito, Reykjavik, Riga, Rio de Janeiro, Rome, Rotterdam, Salt Lake City,
    San Antonio, San Diego, San Francisco, San Jose, Santiago, Seattle, Seoul, Seville, Shanghai, Singapore, Sofia,
    Stockholm, Strasbourg, Stuttgart, Sydney, São Paulo, Taipei, Tallinn, Tel Aviv, The Hague, Tokyo, Toronto, Toulouse,
    Turin, Utrecht, Valencia, Vancouver, Venice, Vienna, Vilnius, Warsaw, Wellington, Wrocław, Zagreb, Zurich
""")
COUNTRIES = listed("""
    Argentina, Australia, Austria, Belgium, Brazil, Bulgaria, Canada, Chile, China, Colombia, Croatia, Cuba, Denmark,
    Egypt, Estonia, Finland, France, Germany, Ghana, Greece, Hungary, Iceland, India, Indonesia, Iran, Iraq, Ireland,
    Israel, Italy, Japan, Kenya, Lithuania, Malaysia, Mexico, Morocco, Nepal, New Zealand, Nigeria, Norway, Pakistan,
    Peru, Poland, Portugal, Romania, Serbia, South Africa, South Korea, Spain, Sweden, Switzerland, Taiwan, Thailand,
    the Netherlands, the Philippines, the UK, the US, Ukraine, Vietnam
""")
STATES = listed("""
    Alabama, Alaska, Arizona, Arkansas, California, Colorado, Connecticut, England, Florida, Georgia, Hawaii, Idaho,
    Illinois, Indiana, Iowa, Kansas, Kentucky, Louisiana, Maine, Maryland, Massachusetts, Michigan, Minnesota, Missouri,
    Montana, Nevada, New Hampshire, New Jersey, New Mexico, North Carolina, Ohio, Oklahoma, Ontario, Oregon,
    Pennsylvania, Scotland, South Carolina, Tennessee, Texas, UK, US, USA, Utah, Vermont, Virginia, Wales,
    West Virginia, Wisconsin
""")
"""What may stand after a city ("Boise, Idaho"), and is no home by itself: it may lie in a country that is known."""

LANGUAGES = listed("""
    Arabic, Cantonese, Chinese, Czech, Danish, Dutch, English, Finnish, French, German, Greek, Hebrew, Hindi, Hungarian,
    Irish, Italian, Japanese, Korean, Latin, Mandarin, Norwegian, Persian, Polish, Portuguese, Romanian, Russian,
    Spanish, Swedish, Thai, Turkish, Ukrainian, Vietnamese
""")
TOOLS = listed("""
    Android, Bash, C#, C++, ChatGPT, Django, Docker, Emacs, Excel, FastAPI, Figma, Git, GitHub, Go, Java, JavaScript,
    Jira, Kubernetes, Linux, LangGraph, macOS, Neovim, Notion, Obsidian, pandas, PostgreSQL, Postgres, PyCharm, Python,
    React, Redis, Ruby, Rust, Slack, SQL, SQLite, Swift, TypeScript, vim, VS Code, Windows
""")
ALLERGENS = listed("""
    almonds, aspirin, bananas, bee stings, cashews, cat hair, cats, cheese, chocolate, crab, dairy, dogs, dust,
    dust mites, eggs, fish, garlic, gluten, grass, hazelnuts, horses, ibuprofen, kiwi, lactose, latex, lobster, milk,
    mushrooms, mustard, nuts, peanuts, pecans, penicillin, pistachios, pollen, prawns, seafood, sesame, shellfish,
    shrimp, soy, strawberries, tomatoes, tree nuts, walnuts, wasps, wheat
""")
FOODS = listed("""
    apples, bacon, bananas, beans, beef, beer, black coffee, bread, burgers, cake, cheese, chicken, chips, chocolate,
    cilantro, coffee, coriander, curry, dark chocolate, eggs, falafel, fast food, fish, fish and chips, fruit, garlic,
    green tea, hummus, ice cream, mac and cheese, meat, milk, mushrooms, noodles, olives, onions, pasta, peanut butter,
    pizza, pork, potatoes, ramen, red meat, red wine, rice, salad, salmon, seafood, soup, spicy food, steak,
    strawberries, sushi, tacos, tea, tofu, tomatoes, vegetables, white wine, wine
""")
FOODS |= {f"{kind} food".casefold(): f"{kind} food" for kind in (*LANGUAGES.values(), "Indian", "Mexican", "Lebanese")}
THINGS = FOODS | listed("""
    art, astronomy, badminton, baking, baseball, basketball, birds, board games, books, boxing, camping, cats, cello,
    chess, classical music, climbing, coins, comics, cooking, cricket, cycling, dancing, dogs, drawing, drums, fishing,
    flowers, football, gardening, golf, guitar, hiking, history, hockey, horses, jazz, jogging, live music, movies,
    music, opera, painting, photography, piano, poetry, pop music, programming, reading, records, rock and roll,
    rock climbing, rock music, rugby, running, sailing, science fiction, singing, skiing, soccer, spiders, stamps,
    surfing, swimming, table tennis, tennis, theatre, travelling, video games, vinyl, violin, volleyball, yoga
""")
ROLES = listed("""
    accountant, actor, architect, baker, barista, biologist, carpenter, chef, chemist, cook, data analyst,
    data engineer, dentist, designer, developer, doctor, electrician, engineer, farmer, journalist, lawyer, librarian,
    musician, nurse, photographer, pilot, plumber, product manager, professor, programmer, project manager, researcher,
    student, teacher, translator, waiter
""")
RANKS = listed("backend, electrical, freelance, frontend, junior, lead, mobile, senior, software, web")
RELATIVES = listed("""
    aunt, boyfriend, brother, cousin, dad, daughter, father, friend, girlfriend, grandfather, grandmother, husband,
    mother, mum, mom, nephew, niece, partner, sister, son, uncle, wife
""")
PETS = listed("cat, dog, goldfish, guinea pig, hamster, horse, parrot, rabbit, tortoise, turtle")
WORKPLACES = listed("bakery, bank, hospital, hotel, library, pharmacy, restaurant, school, startup, university")
NOT_A_NAME = LANGUAGES | listed("""
    a, american, an, bosses, canadian, christmas, classified, death, devil, easter, exposure, free, friday, fun, glory,
    god, his, home, hours, important, indian, irrelevant, jesus, legion, life, living, love, man, me, mexican, monday,
    money, mud, my, myself, never, night, no, nobody, none, not, nothing, peace, pennies, pleasure, private, redacted,
    satan, saturday, secret, sunday, the, thursday, tips, trouble, tuesday, uncle, unknown, wednesday, weekends, what,
    who, you, your
""")
NOT_EMPLOYERS = NOT_A_NAME | FOODS | ALLERGENS | CITIES | COUNTRIES | STATES
